# syntax=docker/dockerfile:1.7
# escape=`
FROM scratch
COPY lib/other/a.txt `
 /
