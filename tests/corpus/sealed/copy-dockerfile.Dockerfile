FROM scratch
COPY Dockerfile requirements.txt /
