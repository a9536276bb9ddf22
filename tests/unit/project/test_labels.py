"""Where an image says its source is: for people, and without what only its builder may know."""

from __future__ import annotations

import pytest
from imageyard.project.labels import source_of


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://github.com/pytorch/pytorch", "https://github.com/pytorch/pytorch"),
        ("https://github.com/pytorch/pytorch.git", "https://github.com/pytorch/pytorch"),
        ("https://x-access-token:ghs_secret@github.com/o/r.git", "https://github.com/o/r"),
        ("https://ghs_secret@github.com/o/r", "https://github.com/o/r"),
        ("git@github.com:pytorch/pytorch.git", "https://github.com/pytorch/pytorch"),
        ("ssh://git@example.org:2222/group/sub/r.git", "https://example.org/group/sub/r"),
        ("https://example.org/r?token=secret", ""),
        ("https://a@b@example.org/r", ""),
        ("https://example.org/user:secret@host/r", ""),
        ("/srv/git/r.git", ""),
        ("../r", ""),
        ("file:///srv/r", ""),
        ("C:\\work\\r", ""),
        ("", ""),
    ],
)
def test_source(remote: str, source: str) -> None:
    assert source_of(remote) == source
