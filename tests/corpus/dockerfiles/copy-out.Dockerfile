FROM scratch
COPY ../secrets.txt /
