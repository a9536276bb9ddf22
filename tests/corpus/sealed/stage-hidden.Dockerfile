FROM scratch AS same
COPY conf/a.conf /
FROM same AS same
COPY conf/b.conf /
FROM same
