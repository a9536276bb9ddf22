FROM scratch
ADD archive.tar /unpacked/
