FROM scratch
COPY conf/a.conf \
  conf/b.conf /etc/
