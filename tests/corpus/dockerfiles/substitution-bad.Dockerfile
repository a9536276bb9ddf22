FROM scratch
WORKDIR ${}
