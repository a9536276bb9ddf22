FROM scratch AS a
ARG B=a
FROM $B
