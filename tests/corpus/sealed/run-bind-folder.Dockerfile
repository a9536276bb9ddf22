FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,source=src,target=/src cat /src/*.c > /all.c
