FROM scratch AS never
COPY <<"a b" /x/
text
a b
FROM scratch
COPY conf/a.conf /
