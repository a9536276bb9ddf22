FROM --platform=$BUILDPLATFORM scratch AS tools
ARG BUILDARCH
COPY arch/${BUILDARCH}.txt /tool
FROM scratch
COPY --from=tools /tool /tool
