FROM scratch AS a
RNU true
FROM scratch
