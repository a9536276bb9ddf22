FROM imageyard.local/base/busybox:1
ARG VERSION
RUN echo "${VERSION-none}" > /version
# args: VERSION=3
