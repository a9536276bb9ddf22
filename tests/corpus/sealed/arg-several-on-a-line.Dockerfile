FROM scratch
ARG A=a B=b
COPY conf/$A.conf conf/${B}.conf /
# args: B=a
