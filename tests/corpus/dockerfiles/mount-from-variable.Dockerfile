FROM scratch
RUN --mount=from=${X},target=/x true
