FROM scratch AS base
ARG WHICH=a
FROM base
COPY conf/${WHICH:-b}.conf /
# args: WHICH=b
