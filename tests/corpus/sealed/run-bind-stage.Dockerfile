FROM scratch AS sources
COPY src /src
FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,from=sources,source=/src,target=/in cp /in/util.c /
