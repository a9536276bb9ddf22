FROM scratch
COPY conf/\[odd\].conf conf/a.conf /etc/
