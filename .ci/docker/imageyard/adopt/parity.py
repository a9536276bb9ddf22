"""Whether a catalogue asks for the builds that a script asked for: exact differences, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from imageyard.adopt.recorded import RecordedBuild
from imageyard.catalogue.model import Row, Where
from imageyard.names import Arch

__all__ = ["Difference", "Intended", "What", "differences", "sorted_out"]

What: TypeAlias = Literal["row", "arch", "dockerfile", "context", "target", "no-cache", "files", "contexts", "arg"]
"""In what two builds differ."""


@dataclass(frozen=True)
class Difference:
    """One thing in which a row of the catalogue differs from its recorded build; None: it is not there.

    `key` is the arg's name, `status` what the record says of the row, `where` a place in the catalogue.
    """

    name: str
    what: What
    recorded: str | None
    ours: str | None
    key: str = ""
    status: str = ""
    where: Where | None = None

    @property
    def subject(self) -> str:
        """What differs, as a person writes it: `arg DOCS`, `empty arg DOCS` where one has it empty, `dockerfile`."""
        empty = "empty " if self.what == "arg" and not (self.recorded or self.ours) else ""
        return f"{empty}{self.what} {self.key}" if self.key else self.what


@dataclass(frozen=True)
class Intended:
    """Differences that are meant: what they are about (a pattern, `arg *`), the rows (a pattern), and why."""

    what: str
    rows: str
    why: str
    where: Where | None = None

    def covers(self, difference: Difference) -> bool:
        """Whether this is about a difference."""
        return fnmatchcase(difference.subject, self.what) and fnmatchcase(difference.name, self.rows)


def differences(rows: Iterable[Row], recorded: Iterable[RecordedBuild], folder: str) -> list[Difference]:
    """Compare rows with recorded builds, by name; `folder` is that of the catalogue, from the repository's top."""
    ours = {(row.name, row.arch): row for row in rows}
    named: dict[str, Row] = {}
    for row in ours.values():
        named.setdefault(row.name, row)
    found: list[Difference] = []
    said: dict[tuple[str, Arch], RecordedBuild] = {(build.name, build.arch): build for build in recorded}
    names = {name for name, _ in said}
    for (name, arch), build in said.items():
        own = ours.get((name, arch))
        if own is not None:
            found += _of_row(own, build, folder)
        elif name in named:
            found.append(Difference(name, "arch", arch, None, "", build.status, named[name].image.where))
        else:
            found.append(Difference(name, "row", arch, None, status=build.status))
    for (name, arch), row in ours.items():
        if name not in names:
            found.append(Difference(name, "row", None, arch, where=row.image.where))
        elif (name, arch) not in said:
            found.append(Difference(name, "arch", None, arch, where=row.image.where))
    return found


def sorted_out(
    found: Sequence[Difference], intended: Sequence[Intended]
) -> tuple[list[Difference], Mapping[Intended, list[Difference]], list[Intended]]:
    """The differences that nobody meant; those that are meant, by their reason; and the reasons that cover nothing."""
    covered: dict[Intended, list[Difference]] = {one: [] for one in intended}
    unintended: list[Difference] = []
    for difference in found:
        reason = next((one for one in intended if one.covers(difference)), None)
        (unintended if reason is None else covered[reason]).append(difference)
    meant = {one: all_ for one, all_ in covered.items() if all_}
    return unintended, meant, [one for one in intended if one not in meant]


def _of_row(row: Row, build: RecordedBuild, folder: str) -> list[Difference]:
    image = row.image
    found: list[Difference] = []

    def add(what: What, recorded: str | None, ours: str | None, key: str = "") -> None:
        if recorded != ours:
            where = image.where_of(key) if key else image.where
            found.append(Difference(row.name, what, recorded, ours, key, build.status, where or image.where))

    add("dockerfile", build.dockerfile, image.dockerfile)
    if build.context is not None:
        add("context", build.context, _from_top(image.context, folder))
    add("target", build.target, image.target)
    add("no-cache", "yes" if build.no_cache else None, None)
    add("files", " ".join(sorted(build.files)) or None, " ".join(sorted(image.files)) or None)
    contexts = {name: _context(source, folder) for name, source in image.contexts.items()}
    add("contexts", _pairs(build.contexts) or None, _pairs(contexts) or None)
    own = {**row.args, **{arg: f"image:{parent}" for arg, parent in image.parents.items()}}
    for arg in dict.fromkeys([*build.args, *own]):
        add("arg", build.args.get(arg), own.get(arg), arg)
    return found


def _pairs(contexts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={source}" for name, source in sorted(contexts.items()))


def _from_top(context: str, folder: str) -> str:
    """A context's path from the repository's top; `.` is the top itself."""
    if context.startswith("/"):
        return context.strip("/") or "."
    parts = [part for part in (*folder.split("/"), *context.split("/")) if part not in ("", ".")]
    return "/".join(parts) or "."


def _context(source: str, folder: str) -> str:
    """A named context as records have it: a folder from the repository's top, with a slash before it; or an image."""
    return source if "://" in source else f"/{_from_top(source, folder)}"
