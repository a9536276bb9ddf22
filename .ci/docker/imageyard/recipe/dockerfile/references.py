"""What a name stands for: an image as BuildKit spells it, or a file at a URL or in a git repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from imageyard.errors import ConfigurationError
from imageyard.names import Reference, parse_reference
from imageyard.recipe.dockerfile.fault import Fault

__all__ = ["RemoteSource", "familiar", "is_reference", "reference", "remote"]

_PROTOCOL = re.compile(r"([a-zA-Z0-9]+)://")
# BuildKit, util/sshutil/scpurl.go: git@host:path
_SCP = re.compile(r"[a-zA-Z0-9_-]+@[a-zA-Z0-9.-]+:.*")
_USER = re.compile(r"://[^/@]*@")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_KNOWN = ("http", "https", "ssh", "git")


def reference(name: str) -> Reference:
    """The image that `name` refers to. Raises Fault where it can be none."""
    try:
        return parse_reference(name)
    except ConfigurationError:
        raise Fault(
            f"{name[:100]!r} is no image reference", "write REPOSITORY:TAG or REPOSITORY@sha256:..., in lower case"
        ) from None


def is_reference(name: str) -> bool:
    """Whether a name can be that of an image."""
    try:
        parse_reference(name)
    except ConfigurationError:
        return False
    return True


def familiar(name: str) -> str:
    """The name under which BuildKit looks for a build context: without Docker Hub's host, `library/` and `:latest`.

    (BuildKit 0.25, frontend/dockerui/config.go, NamedContext.) Raises Fault where it is no reference.
    """
    text = str(reference(name)).removeprefix("docker.io/library/").removeprefix("docker.io/")
    return text.removesuffix(":latest")


@dataclass(frozen=True)
class RemoteSource:
    """A source of ADD that no context holds; `pinned` where its content cannot change."""

    kind: str  # git or url
    pinned: bool
    shown: str  # without credentials


def remote(source: str, checksum: str) -> RemoteSource | None:
    """What a source of ADD or COPY fetches, or None for a path in the context.

    (BuildKit 0.25, frontend/dockerfile/dfgitutil: a URL is git where its path ends in `.git`.)
    """
    if source.startswith(("./", "../", "github.com/")):
        return None
    if found := _PROTOCOL.match(source):
        if found[1].lower() not in _KNOWN:
            return None
        try:
            parts = urlsplit(source)
            query = parse_qs(parts.query)
        except ValueError:  # BuildKit asks no URL's grammar of what it fetches
            if not source.startswith(("http://", "https://")):
                return None
            return RemoteSource("url", bool(checksum), _USER.sub("://", source.partition("?")[0]))
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        if parts.scheme in ("ssh", "git") or parts.path.endswith(".git"):
            return RemoteSource("git", _is_commit(parts.fragment, query, checksum), shown)
        return RemoteSource("url", bool(checksum), shown) if source.startswith(("http://", "https://")) else None
    if _SCP.fullmatch(source):
        rest, _, fragment = source.partition("#")
        query = parse_qs(rest.partition("?")[2])
        return RemoteSource("git", _is_commit(fragment, query, checksum), source.partition("?")[0])
    return None


def _is_commit(fragment: str, query: Mapping[str, list[str]], checksum: str) -> bool:
    named = [
        fragment.partition(":")[0],
        checksum,
        *(each[0] for key in ("ref", "checksum", "commit") if (each := query.get(key))),
    ]
    return any(_COMMIT.fullmatch(each) for each in named)
