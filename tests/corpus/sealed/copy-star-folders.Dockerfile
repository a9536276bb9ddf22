FROM scratch
COPY s*/deep /deep
