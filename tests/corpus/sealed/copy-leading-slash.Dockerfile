FROM scratch
COPY /conf/b.conf /etc/
