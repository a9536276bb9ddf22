FROM scratch
COPY nothing* requirements.txt /etc/
