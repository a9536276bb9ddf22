"""Lock files: which digest a reference stands for, what images leave to a Dockerfile, and epochs, one line each.

`images.lock` and `bases.lock` are such files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imageyard.catalogue.base_config import BaseConfig, config_line, config_lines
from imageyard.catalogue.lock_epochs import EVERY_IMAGE, epoch_line
from imageyard.catalogue.model import Where
from imageyard.errors import ConfigurationError
from imageyard.names import Digest, Reference, parse_digest, parse_reference

__all__ = ["Lock", "parse", "read", "reference_key", "rewrite", "with_configs", "with_line"]

_LINE = re.compile(r"(?P<reference>[^\s@#]+)@(?P<digest>[^\s#]+)(\s+#\s*(?P<note>.*))?\s*")
_FORM = "REF@sha256:DIGEST  # DATE"


@dataclass(frozen=True)
class Lock:
    """What a lock file pins, by `reference_key`; `where` has the line of each.

    `configs` are those of images by digest and platform; of an image that has none there no registry was asked.
    `epochs` are by image, that of all others by EVERY_IMAGE; `notes` are what stands behind `#`, a date, by key.
    """

    pinned: Mapping[str, Digest] = field(default_factory=dict)
    file: str = ""
    where: Mapping[str, Where] = field(default_factory=dict, compare=False)
    configs: Mapping[Digest, Mapping[str, BaseConfig]] = field(default_factory=dict)
    epochs: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict, compare=False)

    def get(self, reference: str | Reference) -> Digest | None:
        """The digest of a reference in any of its spellings, or None. Raises ConfigurationError for no reference."""
        return self.pinned.get(reference_key(reference))


def reference_key(reference: str | Reference) -> str:
    """A reference's one spelling: with its host, with `latest` where no tag is named, without a digest."""
    parsed = parse_reference(reference) if isinstance(reference, str) else reference
    return str(parsed.with_tag(parsed.tag or "latest"))


def read(path: Path, file: str | None = None) -> Lock:
    """Read a lock file; one that is not there pins nothing. Raises ConfigurationError with the line."""
    file = str(path) if file is None else file
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Lock(file=file)
    except OSError as error:
        raise ConfigurationError(f"the lock file cannot be read: {error.strerror}", at=file) from None
    try:
        return parse(data.decode("utf-8"), file)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError("the lock file is not UTF-8", at=f"{file}:{line}:1") from None


def parse(text: str, file: str = "images.lock") -> Lock:
    """Read a lock file's text: a line each, blank lines and comments between. Raises ConfigurationError."""
    pinned: dict[str, Digest] = {}
    where: dict[str, Where] = {}
    configs: dict[Digest, dict[str, BaseConfig]] = {}
    epochs: dict[str, str] = {}
    notes: dict[str, str] = {}
    first: dict[tuple[str, str], int] = {}
    for number, line in enumerate(_lines(text), start=1):
        if asked := config_line(line, file, number):
            for platform in asked.platforms:
                if (before := first.setdefault((asked.digest, platform), number)) != number:
                    raise ConfigurationError(
                        f"{asked.digest} has two configs for {platform}; the first is at line {before}",
                        at=Where(file, number, 1),
                        hint="remove both lines, and: inv lock",
                    )
                configs.setdefault(asked.digest, {})[platform] = asked.config
            continue
        if timed := epoch_line(line, file, number):
            if (before := first.setdefault(("epoch", timed.image), number)) != number:
                whose = "every image" if timed.image == EVERY_IMAGE else timed.image
                raise ConfigurationError(
                    f"{whose} has two epochs; the first is at line {before}",
                    at=Where(file, number, 1),
                    hint="keep the later one",
                )
            epochs[timed.image] = timed.epoch
            continue
        if not (entry := _entry(line, file, number)):
            continue
        key, digest = entry
        if key in pinned:
            headline = f"{key} is pinned twice; first at line {where[key].line}"
            raise ConfigurationError(headline, at=Where(file, number, 1), hint="remove one of the two lines")
        pinned[key] = digest
        where[key] = Where(file, number, 1)
        notes[key] = line.partition("#")[2].strip()
    return Lock(pinned, file, where, configs, epochs, notes)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def _entry(line: str, file: str, number: int) -> tuple[str, Digest] | None:
    """The key and the digest of a line, None for one that pins nothing. Raises ConfigurationError."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    if config_line(line, file, number) or epoch_line(line, file, number):
        return None
    match = _LINE.fullmatch(line)
    if not match:
        if re.match(r"(<{7}|={7}|>{7}|\|{7})", line):
            hint = "resolve the merge: keep one line for each reference"
            raise ConfigurationError("a merge conflict stands here", at=Where(file, number, 1), hint=hint)
        shown = repr(line.strip()[:100])
        raise ConfigurationError(f"not a pinned reference: {shown}", at=Where(file, number, 1), hint=f"write {_FORM}")
    try:
        key = reference_key(match["reference"])
    except ConfigurationError as error:
        raise ConfigurationError(error.headline, at=Where(file, number, 1), hint=f"write {_FORM}") from None
    try:
        return key, parse_digest(match["digest"])
    except ConfigurationError as error:
        column = match.start("digest") + 1
        raise ConfigurationError(error.headline, at=Where(file, number, column), hint=f"write {_FORM}") from None


def with_line(text: str, reference: str | Reference, digest: Digest, note: str, file: str = "images.lock") -> str:
    """The text with one reference pinned anew; every other line, and the spelling of this one, stay as they are.

    `note` is what stands behind `#`: the date, ISO 8601. Raises ConfigurationError where the text is no lock file.
    """
    parse(text, file)
    key = reference_key(reference)
    lines = text.split("\n")
    ending = "\r" if text.count("\r\n") * 2 > text.count("\n") else ""
    for index, line in enumerate(lines):
        entry = _entry(line.removesuffix("\r"), file, index + 1)
        if entry and entry[0] == key:
            spelled = line.split("@", 1)[0]
            kept = "\r" if line.endswith("\r") else ""
            lines[index] = f"{spelled}@{digest}  # {note}{kept}"
            return "\n".join(lines)
    added = f"{key}@{digest}  # {note}{ending}"
    if lines[-1] == "":
        return "\n".join([*lines[:-1], added, ""])
    lines[-1] += ending
    return "\n".join([*lines, added, ""])


def with_configs(
    text: str,
    configs: Mapping[Digest, Mapping[str, BaseConfig]],
    keep: Collection[Digest],
    file: str = "images.lock",
) -> str:
    """The text with these configs of images, each below the line that pins it, else at the end.

    Configs that it has of other images stay where they are if the image is one of `keep`, and go if it is not.
    Raises ConfigurationError where the text is no lock file.
    """
    known = parse(text, file)
    ending = "\r" if text.count("\r\n") * 2 > text.count("\n") else ""
    todo = {digest: found for digest, found in configs.items() if found and known.configs.get(digest) != found}
    lines: list[str] = []
    last: dict[Digest, int] = {}  # of each digest, where the line that pins it ends
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.removesuffix("\r")
        asked = config_line(bare, file, number)
        if asked and (asked.digest in todo or asked.digest not in keep):
            continue
        lines.append(line)
        if entry := _entry(bare, file, number):
            last[entry[1]] = len(lines)
    if lines[-1] != "":
        lines[-1] += ending
        lines.append("")
    below: dict[int, list[str]] = {}
    for digest, found in todo.items():
        added = [f"{each}{ending}" for each in config_lines(digest, found)]
        below.setdefault(last.get(digest, len(lines) - 1), []).extend(added)
    for at in sorted(below, reverse=True):
        lines[at:at] = below[at]
    return "\n".join(lines)


def rewrite(path: Path, reference: str | Reference, digest: Digest, note: str) -> None:
    """Pin one reference in a lock file, which is made where it is missing, whole or not at all.

    Raises ConfigurationError where the file is no lock file, EnvironmentLacks where it cannot be written.
    """
    from imageyard.files import atomic_write

    read(path)
    try:
        old = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        old = ""
    atomic_write(path, with_line(old, reference, digest, note, str(path)).encode())
