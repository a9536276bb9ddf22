FROM scratch
COPY <<EOF /motd
welcome
EOF
