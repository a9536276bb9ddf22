FROM scratch
COPY --from=lib x.txt /
COPY conf/a.conf /
# contexts: lib=vendor/lib
