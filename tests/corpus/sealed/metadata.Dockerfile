FROM scratch
LABEL a="b" c=d
EXPOSE 80/tcp
VOLUME ["/data"]
USER 7:8
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-c"]
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["/start"]
CMD ["a"]
COPY common/install.sh /start
