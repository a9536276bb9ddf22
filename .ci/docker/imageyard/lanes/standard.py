"""The only place that imports `packaging`: names, versions and documents as the packaging standards define them.

PyPA specifications, as of 2026-11: "Binary distribution format" (file name convention, escaping), "Names and
normalization", "Version specifiers" (public, local and normalised versions), "Core metadata specifications".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

__all__ = [
    "CoreMetadata",
    "NotStandard",
    "WheelName",
    "is_development",
    "local_part",
    "newest_first",
    "normal_name",
    "public_part",
    "read_core_metadata",
    "read_wheel_name",
    "same_version",
]

_LONGEST_NAME = 200
"""Bytes of a file name: a file beside it has a longer one, and file systems take 255."""
_PARTS = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)-(?P<version>[A-Za-z0-9.!+_]+)"
    r"(?:-(?P<build>[0-9][A-Za-z0-9_.]*))?"
    r"-(?P<python>[a-z0-9_]+(?:\.[a-z0-9_]+)*)-(?P<abi>[a-z0-9_]+(?:\.[a-z0-9_]+)*)"
    r"-(?P<platform>[a-z0-9_]+(?:\.[a-z0-9_]+)*)\.whl"
)


class NotStandard(ValueError):
    """A text is not what a packaging standard says; the first argument says why, in one sentence."""


@dataclass(frozen=True)
class WheelName:
    """The parts of a wheel's file name: `name` is normalised, with `-`; `stem` is `NAME-VERSION` as it is written."""

    name: str
    version: str
    build: str
    compatibility: frozenset[str]
    stem: str


@dataclass(frozen=True)
class CoreMetadata:
    """What a METADATA document says; `name` and `version` are as they are written there."""

    name: str
    version: str
    requires_python: str | None
    requires: tuple[str, ...]


def read_wheel_name(filename: str) -> WheelName:
    """The parts of a file name that is written in its normal form, which no second spelling of it can equal.

    "Binary distribution format", "File name convention" and "Escaping and Unicode": names are lowercase with `_`,
    versions are normalised. Raises NotStandard.
    """
    match = _PARTS.fullmatch(filename)
    if match is None:
        raise NotStandard(f"{filename[:_LONGEST_NAME]!r} is not NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl")
    if len(filename) > _LONGEST_NAME:
        raise NotStandard(f"the file name has {len(filename)} characters, and {_LONGEST_NAME} are allowed")
    version = _version(match["version"])
    name = canonicalize_name(match["name"])
    stem = f"{name.replace('-', '_')}-{version}"
    if filename[: match.end("version")] != stem:
        raise NotStandard(f"{filename!r} is not in its normal form, which begins with {stem!r}")
    tags = frozenset(map(str, parse_tag(f"{match['python']}-{match['abi']}-{match['platform']}")))
    return WheelName(name, str(version), match["build"] or "", tags, stem)


def normal_name(name: str) -> str:
    """The normalised name of a project ("Names and normalization")."""
    return str(canonicalize_name(name))


def same_version(one: str, other: str) -> bool:
    """Whether two texts are the same version, local part included. Raises NotStandard for what is none."""
    return _version(one) == _version(other)


def local_part(version: str) -> str:
    """The normalised local part of a version, `acme.1` of `1.0+acme-1`; empty for none. Raises NotStandard."""
    return _version(version).local or ""


def public_part(version: str) -> str:
    """A version without its local part. Raises NotStandard."""
    return _version(version).public


def is_development(version: str) -> bool:
    """Whether a version is a development release, `1.0.dev20261128` ("Version specifiers"). Raises NotStandard."""
    return _version(version).is_devrelease


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions as they are written, in order, the newest first, each once. Raises NotStandard."""
    return sorted(set(versions), key=_version, reverse=True)


def read_core_metadata(body: bytes) -> CoreMetadata:
    """What METADATA says. Raises NotStandard where it is not UTF-8, says no name or two, or something that is no value.

    "Core metadata specifications"; direct references in Requires-Dist are what PyPI refuses too ("Dependency
    specifiers", "Direct references").
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotStandard("METADATA is not UTF-8") from None
    if "\x00" in text:
        raise NotStandard("METADATA has a NUL character in it")
    said, strange = parse_email(text)
    for field in ("name", "version", "metadata-version", "requires-python"):
        if field in strange:
            raise NotStandard(f"METADATA says {field.title()} more than once, or unreadably")
    raw: Mapping[str, object] = {**said}
    values = {key: str(raw.get(key) or "") for key in ("name", "version", "metadata_version", "requires_python")}
    if not values["name"] or not values["version"]:
        raise NotStandard(f"METADATA says no {'Version' if values['name'] else 'Name'}")
    if not re.fullmatch(r"[12]\.[0-9]", values["metadata_version"]):
        raise NotStandard(f"METADATA is of version {values['metadata_version']!r}, and 1 or 2 is what tools read")
    _version(values["version"])
    try:
        SpecifierSet(values["requires_python"])
    except InvalidSpecifier:
        raise NotStandard(f"Requires-Python is no version specifier: {values['requires_python']!r}") from None
    requires = tuple(said.get("requires_dist", ()))
    for requirement in requires:
        _check_requirement(requirement)
    return CoreMetadata(values["name"], values["version"], values["requires_python"] or None, requires)


def _check_requirement(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise NotStandard(f"Requires-Dist is no requirement: {text[:200]!r}") from None
    if requirement.url:
        raise NotStandard(f"Requires-Dist names a URL, which no index answers for: {text[:200]!r}")


@lru_cache(maxsize=20_000)
def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise NotStandard(f"{text[:100]!r} is no version") from None
