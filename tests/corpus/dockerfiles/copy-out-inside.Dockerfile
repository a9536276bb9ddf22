FROM scratch
COPY common/../../secrets.txt /
