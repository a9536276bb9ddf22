FROM scratch
COPY <<one <<"two" requirements.txt /etc/
first
one
second $two
two
