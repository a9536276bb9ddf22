"""The three documents of a wheel, and where its files lie: RECORD, WHEEL, METADATA, and the folders beside the code.

"Binary distribution format" (PyPA specifications, 2026-11): "File contents", "The .dist-info directory", "The .data
directory".
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser

from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.standard import (
    CoreMetadata,
    NotStandard,
    WheelName,
    normal_name,
    read_core_metadata,
    same_version,
)

__all__ = ["check_layout", "check_metadata", "check_record", "check_wheel", "documents"]

_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")
"""The keys of installation paths that installers have ("Installing a wheel", "Spread")."""
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
"""What RECORD does not name."""
_TAKES_OVER = re.compile(
    r"(?:bin|scripts)/(?:python|pip|activate)[^/]*|pyvenv\.cfg|lib[^/]*/python[^/]*/.*|conda-meta/.*"
)
"""What below `.data/data` would replace the interpreter, or another package, of whoever installs the wheel."""
_REBUILD = "build the wheel again, with nothing changed in it afterwards"


def documents(name: WheelName) -> tuple[str, str, str]:
    """The entries METADATA, WHEEL and RECORD of a wheel of this name."""
    folder = f"{name.stem}.dist-info"
    return f"{folder}/METADATA", f"{folder}/WHEEL", f"{folder}/RECORD"


def check_layout(names: Iterable[str], name: WheelName) -> None:
    """Refuse a wheel that lacks a document, that has another package's, or whose `.data` leads where no scheme is."""
    found = set(names)
    for document in documents(name):
        if document not in found:
            raise FileRefused(
                "document-missing",
                f"the wheel has no {document}",
                hint="the folder is named as the file is: rebuild it",
            )
    own = {f"{name.stem}.dist-info", f"{name.stem}.data"}
    for entry in found:
        top, _, rest = entry.partition("/")
        if top.lower().endswith((".dist-info", ".data", ".egg-info")) and top not in own:
            hint = f"a wheel has the folders {' and '.join(sorted(own))}, and no other of their kind"
            raise FileRefused("other-package", f"the wheel has {top!r}, which is another package's", hint=hint)
        if top == f"{name.stem}.data":
            _check_data(entry, rest)


def check_wheel(body: bytes, name: WheelName) -> None:
    """Refuse a WHEEL whose tags or build number are not those of the file name, or of a later version than 1."""
    said = HeaderParser().parsestr(_text(body, "WHEEL"))
    for field, form in (("Wheel-Version", r"1\.[0-9]+"), ("Root-Is-Purelib", r"(?i)true|false")):
        values = said.get_all(field, [])
        if len(values) != 1 or not re.fullmatch(form, str(values[0]).strip()):
            raise FileRefused("wheel", f"WHEEL says {field}: {', '.join(map(str, values)) or 'nothing'}", hint=_REBUILD)
    tags = {str(value).strip().lower() for value in said.get_all("Tag", [])}
    if tags != name.compatibility:
        raise FileRefused(
            "tags",
            f"the file name says the tags {_listed(name.compatibility)}, and WHEEL says {_listed(tags)}",
            hint="python -m wheel tags    (it renames the file and writes WHEEL)",
        )
    build = "".join(str(value).strip() for value in said.get_all("Build", []))
    if build != name.build:
        raise FileRefused(
            "build-number", f"the file name says the build {name.build!r}, and WHEEL says {build!r}", hint=_REBUILD
        )


def check_metadata(body: bytes, name: WheelName) -> CoreMetadata:
    """What METADATA says, where it is about what the file name says. Raises FileRefused."""
    try:
        said = read_core_metadata(body)
    except NotStandard as wrong:
        raise FileRefused(
            "metadata", str(wrong), hint="correct the project's metadata, and build the wheel again"
        ) from None
    if normal_name(said.name) != name.name:
        raise FileRefused(
            "metadata-name", f"METADATA is about {said.name!r}, the file about {name.name!r}", hint=_REBUILD
        )
    if not same_version(said.version, name.version):
        raise FileRefused(
            "metadata-version", f"METADATA is of version {said.version}, the file of {name.version}", hint=_REBUILD
        )
    return said


def check_record(body: bytes, name: WheelName, digests: Mapping[str, tuple[bytes, int]]) -> None:
    """Refuse a RECORD that is not exactly about the files that are there: `digests` has their SHA-256 and size."""
    own = documents(name)[2]
    folder = own.removesuffix("RECORD")
    unlisted = {own, *(folder + signature for signature in _SIGNATURES)}
    listed: set[str] = set()
    for row in _rows(_text(body, "RECORD")):
        path, told, size = row
        if path in listed:
            raise _record(f"RECORD names {path!r} twice")
        listed.add(path)
        if path == own and not told and not size:
            continue
        if path in unlisted:
            raise _record(f"RECORD has a hash of {path!r}, which cannot be in it")
        if path not in digests:
            raise _record(f"RECORD names {path!r}, which is not in the wheel", "record-missing")
        digest, length = digests[path]
        if told != f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}":
            raise _record(f"RECORD has another sha256 of {path!r} than the file", "record-hash")
        if size != str(length):
            raise _record(f"RECORD has another size of {path!r} than the file", "record-hash")
    if missing := sorted(set(digests) - listed - unlisted):
        raise _record(f"RECORD does not name {missing[0]!r}, which is in the wheel", "record-unlisted")


def _check_data(entry: str, rest: str) -> None:
    scheme, _, path = rest.partition("/")
    if not rest or (scheme in _SCHEMES and not path and entry.endswith("/")):
        return
    hint = f"put the file below {', '.join(_SCHEMES)} of the folder .data, or into the package"
    if scheme not in _SCHEMES or not path:
        raise FileRefused("data-folder", f"{entry!r} is for no place that installers have", hint=hint)
    if scheme == "scripts" and "/" in path.rstrip("/"):
        raise FileRefused("data-folder", f"{entry!r} is a script in a folder below that of scripts", hint=hint)
    if scheme == "data" and _TAKES_OVER.fullmatch(path.lower()):
        raise FileRefused("data-folder", f"{entry!r} would replace what belongs to the interpreter", hint=hint)


def _rows(text: str) -> list[tuple[str, str, str]]:
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            path, told, size = row
            rows.append((path, told, size))
    except (csv.Error, ValueError):
        raise _record("RECORD has a line that is not PATH,HASH,SIZE") from None
    return rows


def _text(body: bytes, document: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise FileRefused("not-utf8", f"{document} is not UTF-8", hint=_REBUILD) from None


def _record(headline: str, rule: str = "record") -> FileRefused:
    return FileRefused(rule, headline, hint=_REBUILD)


def _listed(tags: Iterable[str]) -> str:
    return ", ".join(sorted(tags)) or "nothing"
