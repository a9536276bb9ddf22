FROM scratch AS parent
ONBUILD COPY conf/a.conf /
FROM parent
COPY conf/b.conf /
