FROM scratch
COPY --exclude=conf --exclude=Dockerfile . /x/
