ARG BASE
ARG TEST_BASE
ARG PLATFORM
ARG NAME=${TEST_BASE:?no-test-base}
FROM ${BASE} AS app
COPY conf/a.conf /
FROM --platform=${PLATFORM} ${TEST_BASE} AS test
COPY conf/b.conf /
FROM ${NAME} AS named
# args: BASE=scratch TEST_BASE=scratch PLATFORM=linux/amd64
# target: app
