ARG NEVER=1
FROM scratch
COPY conf/a.conf /
# args: NEVER=2
