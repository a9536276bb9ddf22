FROM imageyard.local/base/busybox:1
RUN --mount=type=bind,source=common/install.sh,target=/install.sh /install.sh > /said
