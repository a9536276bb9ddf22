FROM scratch
COPY ["name with space.txt", "conf/a.conf", "/etc/"]
