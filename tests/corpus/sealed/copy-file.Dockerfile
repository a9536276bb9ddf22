FROM scratch
COPY conf/a.conf /etc/
