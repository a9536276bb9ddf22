FROM scratch
ENV WHICH=a
ARG WHICH=b
COPY conf/$WHICH.conf /
