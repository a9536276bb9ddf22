FROM scratch
ARG WHICH=a
COPY conf/${WHICH}.conf /etc/
