FROM scratch
COPY ${X:-a.txt /
