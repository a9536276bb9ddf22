FROM scratch
COPY conf/[^a]* /etc/
