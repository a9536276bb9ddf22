FROM scratch
COPY src /src
COPY conf* /etc/
