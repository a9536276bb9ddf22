FROM scratch
COPY --exclude=**/*.bin --exclude=*.c src /src
