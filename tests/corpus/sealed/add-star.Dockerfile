FROM scratch
ADD archive.* /unpacked/
