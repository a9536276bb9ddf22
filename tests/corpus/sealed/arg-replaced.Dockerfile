FROM scratch
ARG FILE=conf-a
COPY ${FILE/-//}.conf /etc/
