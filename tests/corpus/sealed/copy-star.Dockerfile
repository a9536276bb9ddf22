FROM scratch
COPY conf/*.conf /etc/
