FROM scratch
COPY --chmod=u=rwX,go=rX src /src
