FROM scratch
COPY dangling /
