"""Where in the bucket the objects of a lane are: one function for each kind of key."""

from __future__ import annotations

import re

__all__ = [
    "BESIDE",
    "LOG",
    "METADATA",
    "PROVENANCE",
    "UPLOAD",
    "file_key",
    "files_prefix",
    "index_prefix",
    "log_key",
    "requests_prefix",
    "state_key",
    "withdrawn_key",
]

METADATA, PROVENANCE, UPLOAD = ".metadata", ".provenance", ".upload.json"
"""What a key beside that of a file ends with: its METADATA (PEP 658), its provenance (PEP 740), who uploaded it."""
BESIDE = (METADATA, PROVENANCE, UPLOAD)
LOG = "log/"
"""The one log of all lanes."""
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


def files_prefix(lane: str, channel: str) -> str:
    """Where the files of a channel begin; the lane's role creates objects below it."""
    return f"files/{_word(lane)}/{_word(channel)}/"


def file_key(lane: str, channel: str, filename: str) -> str:
    """The key of a file."""
    return files_prefix(lane, channel) + filename


def index_prefix(lane: str, channel: str) -> str:
    """Where the pages of a channel begin; the indexer alone writes there."""
    return f"index/{_word(lane)}/{_word(channel)}/"


def requests_prefix(lane: str) -> str:
    """Where the requests of a lane begin; its role creates objects below it."""
    return f"requests/{_word(lane)}/"


def state_key(lane: str, channel: str) -> str:
    """The key of what the indexer keeps of a channel."""
    return f"state/{_word(lane)}/{_word(channel)}.json"


def log_key(number: int) -> str:
    """The key of an entry of the log; they sort by number."""
    return f"{LOG}{number:08}.json"


def withdrawn_key(lane: str, channel: str, etag: str, filename: str) -> str:
    """Where a file is kept that was withdrawn: nothing there is served."""
    return f"withdrawn/{_word(lane)}/{_word(channel)}/{etag}/{filename}"


def _word(text: str) -> str:
    """A lane or a channel. Raises ValueError for what would be another prefix: a caller's fault."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"no lane and no channel: {text!r}")
    return text
