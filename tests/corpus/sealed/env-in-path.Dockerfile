FROM scratch
ENV WHERE=conf NAME="a.conf"
COPY $WHERE/$NAME /etc/
