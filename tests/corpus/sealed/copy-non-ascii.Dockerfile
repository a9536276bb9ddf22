FROM scratch
COPY ünïcode.txt /ü.txt
