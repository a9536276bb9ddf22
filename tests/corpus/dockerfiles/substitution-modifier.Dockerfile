FROM scratch
WORKDIR ${X^^}
