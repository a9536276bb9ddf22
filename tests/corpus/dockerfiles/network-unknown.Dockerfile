FROM scratch
RUN --network=off true
