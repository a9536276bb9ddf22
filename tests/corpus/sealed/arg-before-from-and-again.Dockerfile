ARG WHICH=b
FROM scratch
ARG WHICH
COPY conf/${WHICH}.conf /etc/
