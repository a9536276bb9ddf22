FROM scratch
MAINTAINER nobody
COPY requirements.txt /
