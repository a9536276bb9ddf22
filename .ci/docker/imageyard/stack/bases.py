"""Stand-ins for base images where no hub can be reached: made here, recorded in `bases.lock`, served on loopback."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from imageyard import process
from imageyard.catalogue import lock
from imageyard.errors import EnvironmentLacks, Transient
from imageyard.http.backoff import Policy
from imageyard.http.transport import Http
from imageyard.names import Arch, Digest, Reference, parse_reference
from imageyard.stack import apt, rootfs
from imageyard.stack.bases_lock import lock_file, read_lock
from imageyard.stack.push import push_root
from imageyard.stack.state import Folders

__all__ = [
    "StandIn",
    "hub_answers",
    "make",
    "makeable",
    "repository_of",
    "served",
    "suite_of",
]

_HUB = "https://registry-1.docker.io/v2/"


@dataclass(frozen=True)
class StandIn:
    """A base image of our own making: its reference, its digest, the date of the mirror it is from (RFC 3339)."""

    ref: str
    digest: Digest
    date: str


def makeable(ref: str) -> bool:
    """Whether a reference is one that a stand-in is for: an image of Docker Hub, by tag."""
    reference = parse_reference(ref)
    return reference.registry == "docker.io" and reference.digest is None


def repository_of(ref: str) -> tuple[str, str]:
    """Repository and tag in the stack's registry: `debian:trixie-slim` is `library/debian`, `trixie-slim`."""
    reference = parse_reference(ref)
    return reference.repository, reference.tag or "latest"


def served(ref: str, digest: Digest, port: int) -> Reference:
    """Where the stack's registry serves a stand-in, by digest."""
    return Reference(f"127.0.0.1:{port}", repository_of(ref)[0], digest=digest)


def suite_of(ref: str) -> str | None:
    """The release that a reference asks for: `debian:trixie-slim` is trixie; None for what no mirror can give."""
    reference = parse_reference(ref)
    if (reference.registry, reference.repository) != ("docker.io", "library/debian") or reference.digest:
        return None
    suite = (reference.tag or "").removesuffix("-slim")
    return suite if re.fullmatch(r"[a-z]+", suite) and suite != "latest" else None


def hub_answers(url: str = _HUB, patience: float = 3.0) -> bool:
    """Whether Docker Hub can be reached from here within `patience` seconds, through the proxy if there is one.

    It answers 401 without credentials, and that is an answer (distribution-spec 1.1, "Determining Support").
    """
    http = Http(policy=Policy(connect=patience, read=patience, budget=patience, attempts=1))
    try:
        return http.send("HEAD", url).status in (200, 401)
    except Transient:
        return False


def make(
    folders: Folders, refs: Iterable[str], arch: Arch, port: int, tell: Callable[[str], None]
) -> tuple[StandIn, ...]:
    """Make the stand-ins that are missing, push them to the stack's registry and record them.

    Returns those that were made. Called under the stack's lock. Raises EnvironmentLacks where a reference has none.
    """
    made = []
    for ref in refs:
        if read_lock(folders, arch).get(ref) is None:
            one = _make(folders, ref, arch, port, tell)
            lock.rewrite(lock_file(folders, arch), ref, one.digest, one.date)
            made.append(one)
    return tuple(made)


def _make(folders: Folders, ref: str, arch: Arch, port: int, tell: Callable[[str], None]) -> StandIn:
    suite = suite_of(ref)
    if suite is None:
        raise EnvironmentLacks(
            f"there is no base image {ref}",
            doing="looking for base images without a hub",
            detail=["only Debian releases (debian:CODENAME, debian:CODENAME-slim) can be made from a package mirror"],
            hint="connect to the hub, or pin the base in images.lock from a registry that you reach: inv lock",
        )
    sources = apt.read_folder(Path("/etc/apt"))
    archive, security = _mirrors(sources, suite)
    tell(f"making {ref} for {arch} from {archive.uri}")
    texts = rootfs.image_files(rootfs.sources_text(suite, archive, security), _apt_settings())
    folder = folders.state / "bases" / arch
    folder.mkdir(parents=True, exist_ok=True)
    tar = folder / f"{suite}.tar"
    date = rootfs.make_root(
        suite, arch, archive, texts, into=tar, cache=folders.state / "debs", work=folders.state / "work", tell=tell
    )
    repository, tag = repository_of(ref)
    digest = push_root(f"127.0.0.1:{port}", repository, f"{tag}-{arch}", tar, arch, date)
    tar.unlink()
    return StandIn(ref, digest, date)


def _mirrors(sources: Iterable[apt.AptSource], suite: str) -> tuple[apt.Mirror, apt.Mirror | None]:
    """The archive for `suite` and the security archive, by what the sources name for it or any other release."""
    sources = tuple(sources)
    debian = [s for s in sources if any("debian" in uri for uri in s.uris)]
    main = [s for s in debian if not any("-" in x or "/" in x for x in s.suites)] or [
        s for s in debian if not any("-security" in x or "/" in x for x in s.suites)
    ]
    archive = apt.archive(sources, suite) or next(
        (m for s in main for x in s.suites if (m := apt.archive([s], x))), None
    )
    if archive is None:
        raise EnvironmentLacks(
            "apt's sources name no Debian mirror",
            doing=f"making a base image of {suite}",
            hint="name one in /etc/apt/sources.list.d, or connect to a hub",
        )
    security = next(
        (m for s in sources for x in s.suites if x.endswith("-security") and (m := apt.archive([s], x))), None
    )
    return archive, security


def _apt_settings() -> str:
    """The machine's settings that decide whether apt takes its mirror as it is, for apt inside images.

    A proxy with a password in it is left out: an image is no place for one.
    """
    done = process.run([process.find("apt-config"), "dump"])
    kept = ("Acquire::Check-Valid-Until ", "Acquire::Check-Date ", "Acquire::http::Proxy ", "Acquire::https::Proxy ")
    return "".join(f"{line}\n" for line in done.text.splitlines() if line.startswith(kept) and "@" not in line)
