FROM imageyard.local/base/busybox:1
RUN --mount=source=conf/a.conf,target=/a --mount=source=conf/b.conf,target=/b cat /a /b > /ab
