FROM scratch AS lib
COPY src /src
FROM scratch
COPY --from=lib / /
# contexts: lib=vendor/lib
