"""A vertex of BuildKit's progress: what its name says it is for, and how far it came."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from imageyard.builders.request import Phase

__all__ = ["LAST_LINES", "WAITING", "Vertex"]

LAST_LINES = 20
WAITING = "[internal] waiting for connection"

_STEP = re.compile(r"\[(\S+ )*\d+/\d+\] (?!FROM )")
_RUN = re.compile(r"\[(\S+ )*\d+/\d+\] RUN ")
_HIDDEN = re.compile(
    r"\[internal\] (?!waiting for connection)|copy /context /|resolving provenance|\[context .*\] load "
)
# BuildKit 0.25 and 0.12, the names given in frontend/dockerfile, exporter/containerimage, cache/remotecache and solver.
_PHASES: tuple[tuple[Phase, re.Pattern[str]], ...] = (
    ("cache", re.compile(r"importing cache manifest from |exporting cache( |$)")),
    ("export", re.compile(r"exporting to |pushing |merging manifest list|sending tarball|importing to docker")),
    (
        "resolve",
        re.compile(r"\[(internal|context .*)\] load metadata for |\[(\S+ )*\d+/\d+\] FROM |resolve image config"),
    ),
    ("resolve", re.compile(r"\[context \S+\] \S+@sha256:|docker-image://")),
    ("run", _STEP),
)


@dataclass
class Vertex:
    """One vertex. `began` once its work was started, which it is not where it was cached or lacked what it needs."""

    name: str
    began: bool = False
    running: bool = False
    ended: bool = False
    cached: bool = False
    error: str = ""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    partial: bytes = b""

    @property
    def is_step(self) -> bool:
        """Whether it is a step of the Dockerfile that leaves something in the image."""
        return bool(_STEP.match(self.name))

    @property
    def is_run(self) -> bool:
        """Whether it runs a command of the Dockerfile."""
        return bool(_RUN.match(self.name))

    @property
    def is_shown(self) -> bool:
        """Whether a person wants to see it."""
        return not _HIDDEN.match(self.name)

    @property
    def phase(self) -> Phase:
        """What it is for."""
        return next((phase for phase, pattern in _PHASES if pattern.match(self.name)), "other")
