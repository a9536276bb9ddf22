FROM scratch
COPY --link conf /etc/conf
