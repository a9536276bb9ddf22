ARG S=a
FROM scratch AS a
FROM scratch
COPY --from=$S a.txt /
