FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,source=conf,target=/conf,rw echo x > /conf/new && ls /conf > /listed
