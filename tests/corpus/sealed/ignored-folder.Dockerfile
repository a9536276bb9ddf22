FROM scratch
COPY . /all
