# escape=`
FROM scratch
COPY conf/a.conf `
     requirements.txt `
     /etc/
