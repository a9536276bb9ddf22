FROM scratch AS a
ONBUILD COPPY a.txt /
FROM a
