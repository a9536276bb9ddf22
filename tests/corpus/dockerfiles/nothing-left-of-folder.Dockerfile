FROM scratch
COPY a.txt /
COPY --exclude=* common /common
