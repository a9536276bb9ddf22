FROM scratch AS seed
COPY requirements.txt /
FROM imageyard.local/base/busybox:1
RUN --mount=type=cache,id=sealed-seed,from=seed,target=/seed cp /seed/requirements.txt /used
