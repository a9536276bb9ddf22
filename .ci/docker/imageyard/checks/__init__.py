"""Checks of a built image: running and judging."""
