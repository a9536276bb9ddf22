# Without an argument it builds on bookworm, as a plain `docker build` by hand does.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ENV LANG=C.UTF-8
RUN --mount=type=bind,source=common/apt_install.sh,target=/tmp/ci/apt_install.sh \
    --mount=type=bind,source=common/install_base.sh,target=/tmp/ci/install_base.sh \
    /tmp/ci/install_base.sh
COPY common/compile_and_run.sh /usr/local/bin/compile-and-run
