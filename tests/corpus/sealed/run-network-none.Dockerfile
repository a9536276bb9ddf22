FROM imageyard.local/base/busybox:1
COPY common/install.sh /
RUN --network=none /install.sh > /said
