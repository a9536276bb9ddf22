FROM imageyard.local/base/busybox:1
ARG VERSION=1
RUN echo "$VERSION" > /version
# args: VERSION=2
