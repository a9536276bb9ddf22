"""Builds as somebody else's script asked for them: the file that keeps them, read and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from imageyard.errors import ConfigurationError
from imageyard.names import Arch

__all__ = ["RecordedBuild", "as_text", "load"]

_OTHERS = "all others"
_TEXTS, _LISTS = ("status", "dockerfile", "context", "target"), ("files", "contexts")


@dataclass(frozen=True)
class RecordedBuild:
    """One build of a script: what it passed to `docker build` for an image's name.

    `context` and `target` are None where the record does not say; `dockerfile` is relative to the context. `files` are
    paths in the context that the script put there first, `contexts` named build contexts.
    """

    name: str
    arch: Arch
    dockerfile: str
    args: Mapping[str, str]
    status: str = ""
    context: str | None = None
    target: str | None = None
    no_cache: bool = False
    files: tuple[str, ...] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> list[RecordedBuild]:
    """Read a file of recorded builds: `rows` by name, and `arches`, names by architecture or "all others".

    Raises ConfigurationError where it cannot be read, or says something else.
    """
    doing = f"reading the recorded builds of {path}"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigurationError("there is no such file", doing=doing, hint=_HINT) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"it cannot be read: {error}", doing=doing, hint=_HINT) from None
    try:
        rows: Mapping[str, Mapping[str, Any]] = found["rows"]
        arch_of = _arches(found.get("arches", {"amd64": _OTHERS}), rows)
        return [_build(name, arch, row) for name, row in rows.items() for arch in arch_of[name]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"these are no recorded builds: {_said(error)}", doing=doing, hint=_HINT) from None


_HINT = "inv parity --record SCRIPT NAME... > FILE"


def as_text(builds: Iterable[RecordedBuild], about: str) -> str:
    """The file that `load` reads, as JSON; what is empty is left out."""
    rows, arches = {}, dict[str, list[str]]()
    for build in builds:
        arches.setdefault(build.arch, []).append(build.name)
        row = {key: getattr(build, key) for key in (*_TEXTS, "args", "no_cache", "contexts")}
        rows[build.name] = {key: value for key, value in (row | {"files": list(build.files)}).items() if value}
    return json.dumps({"about": about, "arches": arches, "rows": rows}, indent=1, ensure_ascii=False) + "\n"


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _arches(said: Mapping[str, object], rows: Mapping[str, object]) -> dict[str, list[Arch]]:
    """The architectures of each name."""
    found: dict[str, list[Arch]] = {}
    others = None
    for arch, names in said.items():
        if arch not in get_args(Arch):
            raise ValueError(f"{arch!r} is no architecture")
        if names == _OTHERS:
            others = cast("Arch", arch)
        elif isinstance(names, list):
            for name in names:
                found.setdefault(name, []).append(cast("Arch", arch))
        else:
            raise ValueError(f"arches: {arch} names no list, and not {_OTHERS!r}")
    if left := [name for name in rows if name not in found]:
        if others is None:
            raise ValueError(f"{left[0]} has no architecture")
        found |= {name: [others] for name in left}
    return found


def _build(name: str, arch: Arch, row: Mapping[str, Any]) -> RecordedBuild:
    if unknown := [key for key in row if key not in {*_TEXTS, *_LISTS, "args", "no_cache"}]:
        raise ValueError(f"{name}: {unknown[0]!r} is not known")
    args = row.get("args", {})
    for key, value in [*args.items(), *((key, row[key]) for key in _TEXTS if key in row)]:
        if not isinstance(value, str):
            raise ValueError(f"{name}: {key} is no text")
    files = row.get("files", [])
    if not isinstance(files, list) or not all(isinstance(one, str) for one in files):
        raise ValueError(f"{name}: files is no list of paths")
    return RecordedBuild(
        name,
        arch,
        row["dockerfile"],
        dict(args),
        row.get("status", ""),
        row.get("context"),
        row.get("target"),
        bool(row.get("no_cache", False)),
        tuple(files),
        dict(row.get("contexts", {})),
    )
