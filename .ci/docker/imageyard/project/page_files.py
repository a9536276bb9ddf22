"""The two files of the page of all images, which a role for it may write."""

from __future__ import annotations

__all__ = ["DATA", "FILES", "HTML"]

DATA = "images.json"
HTML = "index.html"
FILES = (DATA, HTML)
"""In the order in which they are written: who sees a new page finds its data."""
