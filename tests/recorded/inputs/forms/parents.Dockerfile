FROM scratch
COPY --parents lib/*/a.txt lib/./tools/deep/b.txt /
