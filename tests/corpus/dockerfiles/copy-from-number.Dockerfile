FROM scratch
COPY --from=7 a.txt /
