FROM scratch
WORKDIR "/a
CMD b
