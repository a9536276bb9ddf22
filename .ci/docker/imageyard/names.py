"""Arch, Digest, Reference, State and the grammar of tags: format, and parse back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NewType, TypeAlias, cast, get_args

from imageyard.errors import ConfigurationError, Denied, Transient

__all__ = [
    "ARCHES",
    "BUILDER_ARCHES",
    "Absent",
    "Arch",
    "Digest",
    "ParsedTag",
    "Present",
    "Reference",
    "Revoked",
    "State",
    "Unknown",
    "as_arch",
    "content_tag",
    "image_name_fault",
    "known_arch",
    "normal_platform",
    "parse_digest",
    "parse_reference",
    "parse_tag",
    "platform_of",
    "platform_text",
    "tree_tag",
    "weekly_image",
]

Arch: TypeAlias = Literal["amd64", "arm64", "i386", "armv7", "armv6", "ppc64le", "s390x", "riscv64", "loong64"]
"""A platform in one word that may end a tag: BuildKit's own where it has one.

`386` alone is a number to an editor, and `arm/v7` has a slash. BuildKit takes `i386` for `386` as well.
"""
ARCHES: tuple[Arch, ...] = get_args(Arch)
BUILDER_ARCHES: tuple[Arch, ...] = ("amd64", "arm64")
"""What the machines are that build for other architectures than their own."""

_PLATFORMS: Mapping[str, str] = {"i386": "linux/386", "armv7": "linux/arm/v7", "armv6": "linux/arm/v6"}
_MACHINES: Mapping[str, Arch] = {
    **dict.fromkeys(("i486", "i586", "i686", "x86"), "i386"),
    **dict.fromkeys(("armv7l", "armv7hl", "armv8l", "arm32v7"), "armv7"),
    **dict.fromkeys(("armv6l", "armv6hl", "arm32v6"), "armv6"),
    **{"x64": "amd64", "ppc64el": "ppc64le", "loongarch64": "loong64"},
}
"""What `uname -m`, Debian and Docker's library call an architecture, beside the names that BuildKit takes."""

_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}
_SYSTEMS = {"macos": "darwin"}

Digest = NewType("Digest", str)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"[a-zA-Z0-9.-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")
# OCI distribution-spec 1.1, "Pulling manifests": the forms of a repository name and of a tag.
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

IMAGE_NAME_LIMIT = 101
"""Characters: with `-`, 20 hex and `-local` the tag stays within the 128 that a registry takes."""
_IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_CONTENT_HEX = 20
_TREE_HEX = 40
_CONTENT_TAG = re.compile(r"(?P<image>.+)-(?P<hex>[0-9a-f]{20})(?P<local>-local)?")
_TREE_TAG = re.compile(r"(?P<image>.+)-(?P<hex>[0-9a-f]{40})(-(?P<arch>" + "|".join(ARCHES) + "))?")
_WEEKLY_TAG = re.compile(r"(?P<image>.+)-weekly-[0-9]{8}(-[a-z0-9]+)?")


def as_arch(text: str) -> Arch:
    """The architecture that `text` names, also as `uname -m` prints it, or as a platform: `aarch64`, `linux/arm/v7`.

    Raises ConfigurationError for any other.
    """
    if arch := known_arch(text):
        return arch
    raise ConfigurationError(f"unknown architecture {text[:100]!r}", hint=f"use one of: {', '.join(ARCHES)}")


def known_arch(text: str) -> Arch | None:
    """The architecture that a word or a platform stands for, None where it stands for none of ours."""
    word = text.lower().removeprefix("linux/")
    if word in ARCHES:
        return word
    if word in _MACHINES:
        return _MACHINES[word]
    platform = normal_platform(f"linux/{word}")
    return next((arch for arch in ARCHES if platform_of(arch) == platform), None)


def platform_of(arch: Arch) -> str:
    """The OCI platform of an architecture, as BuildKit writes it: `linux/amd64`, `linux/arm/v7`."""
    return _PLATFORMS.get(arch, f"linux/{arch}")


def normal_platform(platform: str) -> str:
    """A platform in its one spelling: `linux/arm64` for `arm64`, `linux/aarch64` and `linux/arm64/v8`.

    (containerd/platforms 1.0, platforms.Parse; an architecture alone is one of Linux.)
    """
    parts = platform.split("/")
    system, architecture, *variant = parts if len(parts) > 1 else ("linux", *parts)
    return platform_text(system, architecture, "/".join(variant))


def platform_text(system: str, architecture: str, variant: str = "") -> str:
    """A platform as BuildKit writes it, with one spelling for each (containerd/platforms 1.0, normalizeArch)."""
    system, architecture, variant = system.lower(), architecture.lower(), variant.lower()
    architecture = _ARCHITECTURES.get(architecture, architecture)
    match architecture:
        case "armhf":
            architecture, variant = "arm", "v7"
        case "armel":
            architecture, variant = "arm", "v6"
        case "arm":
            variant = f"v{variant}" if variant in ("5", "6", "7", "8") else variant or "v7"
        case "arm64":
            variant = "" if variant in ("8", "v8") else variant
        case "amd64":
            variant = "" if variant == "v1" else variant
        case "386":
            variant = ""
    return "/".join(filter(None, (_SYSTEMS.get(system, system), architecture, variant)))


def parse_digest(text: str) -> Digest:
    """A sha256 digest. Raises ConfigurationError for anything else."""
    if not _DIGEST.fullmatch(text):
        raise ConfigurationError(f"not a sha256 digest: {text[:100]!r}")
    return Digest(text)


@dataclass(frozen=True)
class Reference:
    """An image at a registry. `registry` is the host, with Docker Hub spelled `docker.io`."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """`REGISTRY/REPOSITORY`, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> Reference:
        """The same repository under another tag, no digest."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository by digest, no tag."""
        return replace(self, tag=None, digest=digest)


def parse_reference(text: str) -> Reference:
    """Read a reference as Docker does: `debian` is `docker.io/library/debian`, without a default tag.

    A first component with a dot, a colon, or `localhost` is a host (distribution/reference, `splitDockerDomain`).
    Raises ConfigurationError where it has no such form.
    """
    rest, _, digest = text.partition("@")
    host, slash, path = rest.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", rest
    path, _, tag = path.partition(":")
    if host in ("docker.io", "index.docker.io") and "/" not in path:
        host, path = "docker.io", f"library/{path}"
    ok = _HOST.fullmatch(host) and _REPOSITORY.fullmatch(path) and (not tag or _TAG.fullmatch(tag))
    if not ok or rest.endswith(":") or text.endswith("@") or len(text) > 512:
        raise ConfigurationError(f"not an image reference: {text[:100]!r}")
    return Reference(host, path, tag or None, parse_digest(digest) if digest else None)


def image_name_fault(name: str) -> str | None:
    """Why `name` cannot be an image's name, or None: its tags must parse back to it."""
    if len(name) > IMAGE_NAME_LIMIT:
        return f"the name has {len(name)} characters; at most {IMAGE_NAME_LIMIT} leave room for the tag"
    if not _IMAGE_NAME.fullmatch(name):
        return "a name starts with a letter or digit and holds only a-z, 0-9, '.', '_' and '-'"
    if re.search(r"-([0-9a-f]{20}|[0-9a-f]{40})(-local)?$", name):
        return "the name ends like a tag; its own tags could not be told from those of a shorter name"
    if name.endswith("-local"):
        return "the name ends in '-local', which marks tags that are never published"
    for arch in ARCHES:
        if name.endswith(f"-{arch}"):
            return f"the name ends in '-{arch}'; the architecture is part of the row, not of the name"
    return None


def content_tag(image: str, recipe_id: str, *, local: bool = False) -> str:
    """`IMAGE-<20 hex>`, with `-local` for what must not be published. `recipe_id` is the full sha256 in hex."""
    return f"{image}-{recipe_id[:_CONTENT_HEX]}{'-local' if local else ''}"


def tree_tag(image: str, tree: str, arch: Arch | None = None) -> str:
    """`IMAGE-<40 hex of a git tree>`; `arch` only for the rows of an image with several."""
    return f"{image}-{tree[:_TREE_HEX]}{f'-{arch}' if arch else ''}"


@dataclass(frozen=True)
class ParsedTag:
    """What a tag of ours says of itself."""

    image: str
    hex: str
    kind: Literal["content", "tree"]
    local: bool = False
    arch: Arch | None = None


def parse_tag(tag: str, images: Iterable[str] | None = None) -> ParsedTag | None:
    """Parse a tag back, or None where it is not one of ours; `images` narrows it to known names."""
    found: ParsedTag | None = None
    if match := _CONTENT_TAG.fullmatch(tag):
        found = ParsedTag(match["image"], match["hex"], "content", local=bool(match["local"]))
    elif match := _TREE_TAG.fullmatch(tag):
        found = ParsedTag(match["image"], match["hex"], "tree", arch=cast("Arch | None", match["arch"]))
    if found and images is not None and found.image not in set(images):
        return None
    return found


def weekly_image(tag: str) -> str | None:
    """Return the image that the tag of a weekly build is of, `IMAGE-weekly-YYYYMMDD` or with `-ARCH`; else None."""
    match = _WEEKLY_TAG.fullmatch(tag)
    return match["image"] if match else None


@dataclass(frozen=True)
class Present:
    """The place has it, complete: its platforms and their children are there."""

    digest: Digest
    platforms: tuple[str, ...] = ()
    attested: bool = False


@dataclass(frozen=True)
class Absent:
    """The place answered that it does not have it."""


@dataclass(frozen=True)
class Unknown:
    """The place refused us, or did not say; `error` is that."""

    error: Denied | Transient

    @property
    def why(self) -> str:
        """The place's own words."""
        return "; ".join((self.error.headline, *self.error.detail))


@dataclass(frozen=True)
class Revoked:
    """The place has it, and somebody who may write there revoked it: nothing starts from it, and nothing copies it."""

    digest: Digest
    reason: str

    @property
    def why(self) -> str:
        """The reason, as it follows the name of the image."""
        return f"it is revoked: {self.reason or 'no reason is given'}"


State: TypeAlias = Present | Absent | Unknown | Revoked
