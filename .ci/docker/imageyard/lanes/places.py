"""Where in the bucket the objects of lanes are: one function for each kind of key.

Policies grant what begins with these folders, and uploading and indexing write there; nothing else knows a key.
"""

from __future__ import annotations

import re

__all__ = [
    "BESIDE",
    "CENTRE",
    "FILES",
    "INDEXES",
    "LOG",
    "METADATA",
    "PROVENANCE",
    "REQUESTS",
    "STATE",
    "TESTED",
    "UPLOAD",
    "file_key",
    "file_of",
    "files_prefix",
    "index_prefix",
    "lane_prefix",
    "log_key",
    "request_key",
    "requests_prefix",
    "state_key",
    "state_prefix",
]

FILES = "files/"
"""Published files stand below it, those of each lane in a folder of its own. Whoever may write creates, and no more."""
REQUESTS = "requests/"
"""What lanes and the centre ask the indexer for (to yank a file, say), each in a folder of its own."""
INDEXES = "index/"
"""Indexes and pages: the indexer alone writes here, and may write an object anew."""
STATE = "state/"
"""What the indexer keeps of each channel: it alone writes here, and may write an object anew."""
LOG = "log/"
"""The one log of all lanes: an object for each entry, created and never replaced."""
CENTRE = "centre"
"""Whose requests are about any lane: `requests/centre/`. No lane has this name."""

METADATA, PROVENANCE, UPLOAD, TESTED = ".metadata", ".intoto.jsonl", ".upload.json", ".tested.jsonl"
"""What a key beside that of a file ends with: its METADATA (PEP 658), its signed provenance, who uploaded it, and the
signed result of its tests."""
BESIDE = (METADATA, PROVENANCE, UPLOAD, TESTED)
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


def lane_prefix(lane: str) -> str:
    """Where the files of a lane begin; its role creates objects below it.

    It ends with a slash, so that no lane's is the beginning of another's.
    """
    return f"{FILES}{_word(lane)}/"


def files_prefix(lane: str, channel: str) -> str:
    """Where the files of a channel begin."""
    return f"{lane_prefix(lane)}{_word(channel)}/"


def file_of(name: str) -> str:
    """The name of the file that an object is of: its own, or the one beside which it lies, which may not be there."""
    ending = next((each for each in BESIDE if name.endswith(each)), "")
    return name.removesuffix(ending) or name


def file_key(lane: str, channel: str, filename: str) -> str:
    """The key of a file."""
    return files_prefix(lane, channel) + filename


def index_prefix(lane: str, channel: str) -> str:
    """Where the pages of a channel begin; the indexer alone writes there."""
    return f"{INDEXES}{_word(lane)}/{_word(channel)}/"


def requests_prefix(lane: str) -> str:
    """Where the requests of a lane begin; its role creates objects below it."""
    return f"{REQUESTS}{_word(lane)}/"


def request_key(lane: str, name: str) -> str:
    """The key of a request; `lane` is who asks, a lane or the centre."""
    return f"{requests_prefix(lane)}{name}.json"


def state_key(lane: str, channel: str) -> str:
    """The key of what the indexer keeps of a channel."""
    return f"{state_prefix(lane)}{_word(channel)}.json"


def state_prefix(lane: str) -> str:
    """Where what the indexer keeps of a lane begins; the lane reads it, to learn which names are taken."""
    return f"{STATE}{_word(lane)}/"


def log_key(number: int) -> str:
    """The key of an entry of the log; they sort by number."""
    return f"{LOG}{number:08}.json"


def _word(text: str) -> str:
    """A lane or a channel. Raises ValueError for what would be another prefix: a caller's fault."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"no lane and no channel: {text!r}")
    return text
