FROM scratch AS a
COPY --from=a a.txt /
