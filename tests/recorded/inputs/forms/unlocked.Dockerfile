FROM busybox
COPY --from=ghcr.io/acme/tool:1 /t /t
ADD https://user:pw@example.org/x.tgz /
COPY link /
