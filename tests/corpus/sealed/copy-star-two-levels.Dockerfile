FROM scratch
COPY */*.conf /etc/
