FROM scratch
COPY nope/*.sh /
