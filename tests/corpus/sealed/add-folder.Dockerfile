FROM scratch
ADD src /src
