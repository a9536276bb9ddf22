FROM scratch
WORKDIR ${X:?give it}
