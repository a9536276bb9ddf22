FROM imageyard.local/base/busybox:1
RUN <<"END OF IT"
echo heredoc > /made
END OF IT
