FROM imageyard.local/base/busybox:1
COPY conf /conf
RUN ["cp", "-r", "/conf", "/copied"]
