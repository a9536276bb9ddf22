"""Where layer caches are: one for each image, architecture and trust, in repositories of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from imageyard.names import ARCHES, Arch, as_arch, image_name_fault, parse_reference
from imageyard.plan.decision import MAIN, Decision, Repository, repository_of

__all__ = [
    "CacheTag",
    "Caches",
    "cache_tag",
    "caches",
    "mount_namespace",
    "parse_cache_tag",
]

_WRITTEN = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
"""All stages; a manifest that every registry takes, ECR among them; a cache that cannot be written fails no build
(docs.docker.com, "Registry cache", BuildKit 0.12 and later)."""

_TAG = re.compile(
    rf"(?P<image>.+)-(?P<arch>{'|'.join(ARCHES)})-(?P<scope>{MAIN}|pr-[1-9][0-9]{{0,11}}|ref-[0-9a-f]{{12}})"
)


@dataclass(frozen=True)
class Caches:
    """Values for buildx's `--cache-from` and `--cache-to`."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class CacheTag(NamedTuple):
    """What the tag of a cache says."""

    image: str
    arch: Arch
    scope: str


def caches(
    decision: Decision, image: str, arch: Arch, repositories: Mapping[Repository, str], *, gha: bool = False
) -> Caches:
    """The caches of a row for a decision; `repositories` are the catalogue's, by the trust of those that write them.

    A scope without a repository has no cache. `gha`: GitHub's own cache is used too, where its token is in reach. A
    branch whose repository of caches is the trusted one writes none: it would be writing what trusted builds read.
    """
    read: list[str] = []
    write: list[str] = []
    for scope in decision.caches_read:
        if place := repositories.get(repository_of(scope)):
            read.append(f"type=registry,ref={place}:{cache_tag(image, arch, scope)}")
        if gha:
            read.append(f"type=gha,scope={cache_tag(image, arch, scope)}")
    scope = decision.cache_written or ""
    repository = repository_of(scope)
    if decision.writes_cache_of(repository):
        place = repositories.get(repository)
        if place and not (repository == "branch" and _same(place, repositories.get("trusted"))):
            write.append(f"type=registry,ref={place}:{cache_tag(image, arch, scope)},{_WRITTEN}")
        if gha:
            write.append(f"type=gha,scope={cache_tag(image, arch, scope)},mode=max,ignore-error=true")
    return Caches(tuple(read), tuple(write))


def cache_tag(image: str, arch: Arch, scope: str) -> str:
    """`IMAGE-ARCH-SCOPE`, at most 126 characters."""
    return f"{image}-{arch}-{scope}"


def parse_cache_tag(tag: str) -> CacheTag | None:
    """Parse a tag back, or None where it is not that of a cache of ours.

    No scope holds an architecture between dashes, so that there is one way to read a tag.
    """
    found = _TAG.fullmatch(tag)
    if found is None or image_name_fault(found["image"]):
        return None
    return CacheTag(found["image"], as_arch(found["arch"]), found["scope"])


def mount_namespace(decision: Decision) -> dict[str, str]:
    """The build arg that keeps `RUN --mount=type=cache` of one trust from that of another, where they share a worker.

    What such a mount holds is in no cache of layers and in no tag. BuildKit takes the namespace into the key of steps
    that have one (docker/docs, "Dockerfile reference", BuildKit built-in build args), so that only these are built anew
    in a branch. It is a client's to choose: it keeps hostile Dockerfiles and scripts apart, and no hostile client.
    """
    namespace = decision.cache_mount_namespace
    return {} if namespace is None else {"BUILDKIT_CACHE_MOUNT_NS": namespace}


def _same(one: str, other: str | None) -> bool:
    return other is not None and parse_reference(one).name == parse_reference(other).name
