FROM scratch
COPY \
  # one
  conf/a.conf \

  conf/b.conf \
  /etc/
