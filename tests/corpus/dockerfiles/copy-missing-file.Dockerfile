FROM scratch
COPY common/instal.sh /
