"""Read the sources that a machine's apt already has, to find its mirror in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AptSource", "Mirror", "archive", "read_folder", "read_list", "read_stanzas"]


@dataclass(frozen=True)
class AptSource:
    """One entry of apt's sources, in either of its two forms (sources.list(5))."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    signed_by: str = ""  # a path, or a whole key block
    types: tuple[str, ...] = ("deb",)


@dataclass(frozen=True)
class Mirror:
    """Where a distribution's packages come from, and the key that signs them ("" for apt's own set)."""

    uri: str
    signed_by: str = ""


def read_stanzas(text: str) -> tuple[AptSource, ...]:
    """The entries of a deb822 file (`*.sources`), without those that are disabled or have no archive."""
    found = []
    for stanza in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text):
        fields = _fields(stanza)
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off", "without", "disable"):
            continue
        source = AptSource(
            uris=tuple(fields.get("uris", "").split()),
            suites=tuple(fields.get("suites", "").split()),
            components=tuple(fields.get("components", "").split()),
            signed_by=fields.get("signed-by", ""),
            types=tuple(fields.get("types", "").split()),
        )
        if source.uris and "deb" in source.types:
            found.append(source)
    return tuple(found)


def _fields(stanza: str) -> dict[str, str]:
    """A stanza's fields by lower-case name; lines that start with white space continue a value, `#` is a comment."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            fields[name] += f"\n{line}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)")


def read_list(text: str) -> tuple[AptSource, ...]:
    """The binary entries of a one-line file (`sources.list`, `*.list`)."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        options = dict(o.partition("=")[::2] for o in (match["options"] or "").split())
        components = tuple(match["components"].split())
        found.append(AptSource((match["uri"],), (match["suite"],), components, options.get("signed-by", "")))
    return tuple(found)


def read_folder(folder: Path, besides: Sequence[str] = ()) -> tuple[AptSource, ...]:
    """All entries under `/etc/apt`, as apt reads them; `besides` names files to leave out.

    apt ignores files with other endings, such as `.list.disabled`.
    """
    found: list[AptSource] = []
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.name in besides or not file.is_file():
            continue
        if file.suffix == ".sources":
            found += read_stanzas(file.read_text(encoding="utf-8", errors="replace"))
        elif file.suffix == ".list":
            found += read_list(file.read_text(encoding="utf-8", errors="replace"))
    return tuple(found)


def archive(sources: Iterable[AptSource], suite: str) -> Mirror | None:
    """The archive that serves `suite` with the component `main`, or None. A `deb` without a host is passed over."""
    for source in sources:
        if suite in source.suites and "main" in source.components:
            for uri in source.uris:
                if uri.startswith(("http://", "https://", "file:/")):
                    return Mirror(uri.rstrip("/"), source.signed_by)
    return None
