FROM scratch
COPY --exclude=[ common /
