FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,source=conf,dst=/,target=/conf cp /conf/a.conf /a
