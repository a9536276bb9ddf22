FROM scratch AS a
COPY --from=b a.txt /
FROM scratch AS b
COPY --from=a a.txt /
