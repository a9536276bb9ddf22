"""Imageyard: container images for CI, from one catalogue."""

__version__ = "0.1.0"
