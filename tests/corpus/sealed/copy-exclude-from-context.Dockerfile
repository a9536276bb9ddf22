FROM scratch
COPY --exclude=archive* --exclude=other --exclude=busybox . /all
