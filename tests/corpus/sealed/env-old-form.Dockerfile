FROM scratch
ENV WHERE src/deep
COPY $WHERE /deep
