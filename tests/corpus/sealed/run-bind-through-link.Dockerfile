FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,source=conf.d/a.conf,target=/a.conf cp /a.conf /used
