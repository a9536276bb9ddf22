FROM scratch
COPY circle /
