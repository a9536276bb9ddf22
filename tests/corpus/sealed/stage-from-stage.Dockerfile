FROM scratch AS base
COPY conf/a.conf /
FROM base AS final
COPY conf/b.conf /
