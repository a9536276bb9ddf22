FROM scratch
RUN <<EOF
echo hello
