FROM scratch
ADD conf/b.conf /etc/
