FROM scratch
RUN --mount=type=bind,source=common/instal.sh,target=/x true
