FROM scratch
COPY common/install.sh /
