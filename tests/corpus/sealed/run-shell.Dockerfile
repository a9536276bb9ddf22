FROM imageyard.local/base/busybox:1
COPY src/main.c /src/
RUN sha256sum /src/main.c > /sum
