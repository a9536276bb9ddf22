ARG STAGE=one
FROM scratch AS one
COPY conf/a.conf /
FROM scratch AS two
COPY conf/b.conf /
FROM $STAGE
# args: STAGE=two
