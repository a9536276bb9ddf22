"""Stand-ins that are a text: pinned as `bases.lock` has them, served by a registry that nobody asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from imageyard.catalogue.lock import Lock, parse
from imageyard.console import Story
from imageyard.names import Arch, Digest, Reference, parse_reference

__all__ = ["PinnedStandIns"]


@dataclass
class PinnedStandIns:
    """Pins `text` for each architecture; `made` are the names and the architecture of each call to make some.

    What is made is pinned by `later`.
    """

    text: str = ""
    later: str = ""
    made: list[tuple[tuple[str, ...], Arch]] = field(default_factory=list)

    def pinned(self, arch: Arch) -> Lock:
        return parse(self.text)

    def served(self, name: str, digest: Digest) -> Reference:
        return Reference("127.0.0.1:5000", parse_reference(name).repository, digest=digest)

    def make(self, reporter: Story, names: Iterable[str], arch: Arch) -> PinnedStandIns:
        self.made.append((tuple(names), arch))
        return PinnedStandIns(self.later, made=self.made)
