FROM imageyard.local/base/busybox:1
RUN --mount=from=lib,source=inner,target=/inner cp -r /inner /used
# contexts: lib=vendor/lib
