FROM scratch
ARG FOLDER=conf
ARG NAME=a FILE=${FOLDER}/${NAME:-b}.conf
COPY ${FOLDER}/${NAME}.conf $FILE /etc/
# args: NAME=b
