ARG BASE
FROM ${BASE}
COPY common/base.sh /
RUN /base.sh
