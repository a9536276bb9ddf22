FROM scratch
ARG WHICH
COPY conf/${WHICH:?name-one}.conf /
# args: WHICH=a
