FROM pinned
COPY --from=tools a.txt deep /
COPY lib/other/a.txt /
