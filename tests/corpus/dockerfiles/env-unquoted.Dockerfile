FROM scratch
ENV FLAGS=-O2 -g
