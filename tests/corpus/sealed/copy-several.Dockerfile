FROM scratch
COPY conf/a.conf requirements.txt src/main.c /all/
