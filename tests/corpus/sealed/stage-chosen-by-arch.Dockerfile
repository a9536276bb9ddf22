FROM scratch AS for-amd64
COPY conf/a.conf /
FROM scratch AS for-arm64
COPY conf/b.conf /
FROM for-$TARGETARCH
COPY requirements.txt /
