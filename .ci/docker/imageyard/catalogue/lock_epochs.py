"""Lines of a lock file that hold epochs: `epoch 2026-11-28` for all images, `epoch 2026-11-28 IMAGE` for one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from imageyard.catalogue.model import Where
from imageyard.errors import ConfigurationError

__all__ = ["EVERY_IMAGE", "EpochLine", "epoch_line", "epoch_of", "with_epochs"]

EVERY_IMAGE = "*"
"""The key of the epoch that counts for each image without an epoch of its own."""

_START = re.compile(r"epoch(\s|$)")
_LINE = re.compile(r"epoch\s+(?P<epoch>[A-Za-z0-9][A-Za-z0-9._-]{0,63})(\s+(?P<image>[^\s#]+))?\s*(#.*)?")
_HINT = "write epoch WORD, or epoch WORD IMAGE; or remove the line, and: inv lock --refresh"


@dataclass(frozen=True)
class EpochLine:
    """An epoch, and the image that it is for: a name, or EVERY_IMAGE."""

    image: str
    epoch: str


def epoch_line(line: str, file: str, number: int) -> EpochLine | None:
    """Read a line, None for one of another kind. Raises ConfigurationError for an epoch that is no word."""
    if not _START.match(line):
        return None
    match = _LINE.fullmatch(line)
    if not match:
        raise ConfigurationError(f"not an epoch: {line[:100]!r}", at=Where(file, number, 1), hint=_HINT)
    return EpochLine(match["image"] or EVERY_IMAGE, match["epoch"])


def epoch_of(epochs: Mapping[str, str], image: str, declared: str) -> str:
    """The epoch of an image's recipe: the one that the catalogue declares, and the one of the lock behind it.

    Without an epoch in the lock it is what the catalogue declares. No declared epoch has a colon, so that two
    different pairs never give the same text.
    """
    locked = epochs.get(image, epochs.get(EVERY_IMAGE))
    return declared if locked is None else f"{declared} lock:{locked}".lstrip()


def with_epochs(text: str, epoch: str, images: Collection[str], file: str = "images.lock") -> str:
    """The text of a lock file with one epoch for these images; every other line stays as it is.

    `images` empty: the epoch is for every image, and lines of single images go. A new line stands behind the other
    epochs, else behind the comments at the top. Raises ConfigurationError for an epoch line that is none.
    """
    ending = "\r" if text.count("\r\n") * 2 > text.count("\n") else ""
    missing = dict.fromkeys(sorted(images) or [EVERY_IMAGE])
    lines: list[str] = []
    last = None  # behind which line the last epoch stands
    for number, line in enumerate(text.split("\n"), start=1):
        known = epoch_line(line.removesuffix("\r"), file, number)
        if known and not images and known.image != EVERY_IMAGE:
            last = len(lines) if last is None else last
            continue
        if known:
            last = len(lines) + 1
        if known and known.image in missing:
            del missing[known.image]
            line = line if known.epoch == epoch else _rendered(known.image, epoch, line[len(line.rstrip("\r")) :])
        lines.append(line)
    at = _behind_comments(lines) if last is None else last
    lines[at:at] = [_rendered(image, epoch, ending) for image in missing]
    return "\n".join(lines)


def _rendered(image: str, epoch: str, ending: str) -> str:
    return f"epoch {epoch}{'' if image == EVERY_IMAGE else f' {image}'}{ending}"


def _behind_comments(lines: list[str]) -> int:
    """The index behind the comments that a file begins with; before the last item, which is the end of the text."""
    count = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return min(count, len(lines) - 1)
