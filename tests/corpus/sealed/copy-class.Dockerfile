FROM scratch
COPY conf/[ab].conf /etc/
