FROM scratch
COPY --chmod=0640 --chown=7:8 conf/a.conf /etc/
