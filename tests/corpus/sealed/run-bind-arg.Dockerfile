FROM imageyard.local/base/busybox:1
ARG WHICH=a
RUN --mount=target=/c,source=conf/${WHICH}.conf cp /c /used
# args: WHICH=b
