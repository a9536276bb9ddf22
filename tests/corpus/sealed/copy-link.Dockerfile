FROM scratch
COPY common/link.sh /
