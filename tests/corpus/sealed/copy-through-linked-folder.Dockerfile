FROM scratch
COPY conf.d/a.conf /etc/
