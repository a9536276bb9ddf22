FROM scratch
COPY conf/a.conf conf/absent*.conf /etc/
