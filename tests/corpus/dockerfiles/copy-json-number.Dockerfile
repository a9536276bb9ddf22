FROM scratch
COPY [1, "/"]
