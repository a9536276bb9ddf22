FROM imageyard.local/base/busybox:1
ARG WHO=one
RUN cat > /said <<"EOF"
$WHO is not replaced
EOF
# args: WHO=two
