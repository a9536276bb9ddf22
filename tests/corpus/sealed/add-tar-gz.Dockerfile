FROM scratch
ADD archive.tar.gz /unpacked/
