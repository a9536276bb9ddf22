FROM scratch
COPY / /all
