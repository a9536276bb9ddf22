FROM scratch AS other
ARG UNUSED=1
COPY other/unused.txt /
FROM scratch
COPY conf/a.conf /
# args: UNUSED=2
