FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,target=/context cp /context/requirements.txt /
