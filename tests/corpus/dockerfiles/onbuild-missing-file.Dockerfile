FROM scratch AS a
ONBUILD COPY nope.txt /
FROM a
