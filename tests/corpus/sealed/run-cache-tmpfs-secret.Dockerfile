FROM imageyard.local/base/busybox:1
COPY requirements.txt /
RUN --mount=type=cache,id=sealed,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s ls /c /t > /listed
