FROM scratch
COPY --exclude=**/*.md --exclude=tools/deep lib /
