FROM imageyard.local/base/busybox:1
COPY conf/a.conf /
RUN <<EOF
set -e
cp /a.conf /copied
echo "COPY nope /" > /said
EOF
