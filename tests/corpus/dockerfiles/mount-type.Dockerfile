FROM scratch
RUN --mount=type=bin,target=/x true
