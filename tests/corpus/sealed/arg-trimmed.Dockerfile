FROM scratch
ARG FILE=v-conf/a.conf.gz
COPY ${FILE#v-} /
# args: FILE=v-conf/a.conf
