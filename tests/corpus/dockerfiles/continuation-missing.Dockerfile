FROM scratch
RUN true &&
    echo hello
