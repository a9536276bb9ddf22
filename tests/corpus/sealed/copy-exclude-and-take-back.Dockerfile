FROM scratch
COPY --exclude=* --exclude=!util.c src /src
