FROM scratch AS never
ADD https://[not/a/host /y
FROM scratch
COPY conf/a.conf /
