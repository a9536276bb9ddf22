FROM scratch
ADD <<EOF /etc/note
note
EOF
