FROM scratch
RUN --mount=type=bind,sorce=a.txt,target=/x true
