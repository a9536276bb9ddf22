FROM scratch
ADD --exclude=*.md --exclude=deep src /src
