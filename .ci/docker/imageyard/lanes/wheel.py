"""Whether a wheel is what its name says, and may be published by its lane: read once, never unpacked to disk.

Only wheels are taken. A source distribution runs its build on the machine of whoever installs it, it has no RECORD to
compare its files with and no tags, and what a lane is for are binaries: so it is refused, whatever is in it.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.standard import NotStandard, WheelName, local_part, normal_name, read_wheel_name
from imageyard.lanes.wheel_documents import check_layout, check_metadata, check_record, check_wheel, documents
from imageyard.lanes.zip_contents import ZipBounds, read_contents
from imageyard.lanes.zip_names import check_names
from imageyard.lanes.zip_structure import read_directory
from imageyard.layout import size as size_text

__all__ = ["WheelFacts", "WheelRules", "check_file_name", "read_wheel"]

_SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


@dataclass(frozen=True)
class WheelRules:
    """What a lane may publish: projects by their normalised names, and the first word of the local version.

    `max_bytes` is of a file, `max_unpacked` of all that it holds, both in bytes.
    """

    packages: Collection[str]
    local: str
    max_bytes: int = 2 * 1024**3
    max_unpacked: int = 16 * 1024**3


@dataclass(frozen=True)
class WheelFacts:
    """What is known of a wheel that was accepted: `size` in bytes, `sha256` in hex, `metadata` as the wheel has it."""

    filename: str
    name: str
    version: str
    build: str
    compatibility: tuple[str, ...]
    requires_python: str | None
    size: int
    sha256: str
    metadata: bytes


def check_file_name(filename: str, rules: WheelRules) -> WheelName:
    """The parts of a file name that the lane may publish. Raises FileRefused."""
    if filename.lower().endswith(_SOURCES):
        raise FileRefused(
            "no-wheel", f"{filename!r} is a source distribution", hint="publish wheels: python -m build --wheel"
        )
    try:
        name = read_wheel_name(filename)
    except NotStandard as wrong:
        hint = "leave the name as the build tool gives it, a tool of today (setuptools 77 and later)"
        raise FileRefused("file-name", str(wrong), hint=hint) from None
    allowed = sorted(map(normal_name, rules.packages))
    if name.name not in allowed:
        raise FileRefused(
            "package", f"the lane does not publish {name.name!r}", hint=f"its packages are: {', '.join(allowed)}"
        )
    local = local_part(name.version)
    if local != rules.local and not local.startswith(f"{rules.local}."):
        raise FileRefused(
            "local-version",
            f"the version {name.version} does not end with +{rules.local}",
            hint=f"give it the version {name.version.partition('+')[0]}+{rules.local}, or ...+{rules.local}.SOMETHING",
        )
    return name


def read_wheel(file: IO[bytes], filename: str, rules: WheelRules) -> WheelFacts:
    """The facts of a wheel that its lane may publish; `file` can be sought, and is read once and a few KiB.

    Raises FileRefused for the first rule that it breaks, and what reading raises.
    """
    name = check_file_name(filename, rules)
    size = file.seek(0, io.SEEK_END)
    if size > rules.max_bytes:
        raise FileRefused(
            "size",
            f"{filename} has {size_text(size)}, and {size_text(rules.max_bytes)} are allowed",
            hint="strip debug symbols, leave out architectures, or publish parts as packages of their own",
        )
    directory = read_directory(file)
    check_names(entry.name for entry in directory.entries)
    check_layout((entry.name for entry in directory.entries), name)
    metadata, wheel, record = documents(name)
    contents = read_contents(file, directory, ZipBounds(rules.max_unpacked), (metadata, wheel, record))
    check_wheel(contents.bodies[wheel], name)
    said = check_metadata(contents.bodies[metadata], name)
    check_record(contents.bodies[record], name, contents.digests)
    return WheelFacts(
        filename,
        name.name,
        name.version,
        name.build,
        tuple(sorted(name.compatibility)),
        said.requires_python,
        size,
        contents.sha256,
        contents.bodies[metadata],
    )
