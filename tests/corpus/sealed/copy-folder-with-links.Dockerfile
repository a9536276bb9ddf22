FROM scratch
COPY common /common
