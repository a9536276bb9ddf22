FROM scratch AS build
COPY src /src
FROM scratch
COPY --from=build /src/main.c /
