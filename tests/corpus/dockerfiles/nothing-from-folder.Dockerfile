FROM scratch
COPY common/*.py /
