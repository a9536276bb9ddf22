# check=skip=all
FROM scratch
copy conf/a.conf /
