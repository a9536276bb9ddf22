FROM scratch
ARG WHO=world
COPY <<EOF /motd
welcome $WHO
EOF
# args: WHO=everyone
