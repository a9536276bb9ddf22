FROM scratch
COPY --mount=type=bind a.txt /
