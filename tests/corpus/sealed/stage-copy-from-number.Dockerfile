FROM scratch
COPY src /src
FROM scratch
COPY --from=0 /src/util.c /
