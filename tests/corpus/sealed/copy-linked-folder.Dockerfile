FROM scratch
COPY conf.d /etc
