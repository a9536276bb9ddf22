FROM scratch AS base
COPY requirements.txt /
FROM base AS left
COPY conf/a.conf /
FROM base AS right
COPY conf/b.conf /
FROM scratch
COPY --from=left / /left
COPY --from=right / /right
