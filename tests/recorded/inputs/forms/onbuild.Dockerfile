FROM scratch AS p
ONBUILD COPY lib/other/a.txt /
FROM p
