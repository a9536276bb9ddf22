FROM scratch
COPY link-out /
