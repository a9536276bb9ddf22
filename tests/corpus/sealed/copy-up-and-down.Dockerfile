FROM scratch
COPY src/deep/../main.c ./src/./util.c /
