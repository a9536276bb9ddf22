"""The root file system of a Debian release, made on this machine from its own package mirror."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

from imageyard import process
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch
from imageyard.stack.apt import Mirror

__all__ = [
    "debian_arch",
    "image_files",
    "make_root",
    "mounts_below",
    "pack",
    "release_date",
    "slim",
    "sources_text",
    "unmount_below",
]

_HINT = "nox -s install_stack"
_DEBIAN: Mapping[Arch, str] = {"armv7": "armhf", "armv6": "armel", "ppc64le": "ppc64el"}
"""Debian's own names of architectures, where they are others; `armel` is the newest of Debian's that ARMv6 runs."""
_DROPPED = (
    "etc/hostname", "etc/resolv.conf", "var/cache/ldconfig/aux-cache", "var/lib/systemd/random-seed",
    "etc/apt/sources.list",
)  # fmt: skip
_EMPTIED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/info",
    "usr/share/man",
    "usr/share/locale",
    "tmp",
    "run",
)
_PHASES = ("Retrieving", "Extracting", "Unpacking", "Configuring")
_NO_DOCS = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
"""


def debian_arch(arch: Arch) -> str:
    """Debian's name of an architecture."""
    return _DEBIAN.get(arch, arch)


def sources_text(suite: str, archive: Mirror, security: Mirror | None) -> str:
    """The deb822 sources of an image: its release, updates of it, and security where the machine has them."""
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    stanzas = [(archive.uri, f"{suite} {suite}-updates")]
    if security is not None:
        stanzas.append((security.uri, f"{suite}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {key}\n" for uri, suites in stanzas
    )


def image_files(sources: str, apt_settings: str) -> Mapping[str, tuple[str, int]]:
    """What is written into a root: path -> (text, mode). `apt_settings` are the machine's own for its mirror."""
    slim = 'APT::Install-Recommends "false";\nAcquire::Languages "none";\nAcquire::GzipIndexes "true";\n'
    return {
        "etc/apt/sources.list.d/debian.sources": (sources, 0o644),
        "etc/apt/apt.conf.d/90-slim": (slim, 0o644),
        "etc/apt/apt.conf.d/91-mirror": (apt_settings, 0o644),
        "etc/dpkg/dpkg.cfg.d/no-docs": (_NO_DOCS, 0o644),
        "etc/dpkg/dpkg.cfg.d/unsafe-io": ("force-unsafe-io\n", 0o644),
        "etc/machine-id": ("", 0o444),
        "usr/sbin/policy-rc.d": ("#!/bin/sh\nexit 101\n", 0o755),
    }


def make_root(
    suite: str,
    arch: Arch,
    archive: Mirror,
    texts: Mapping[str, tuple[str, int]],
    *,
    into: Path,
    cache: Path,
    work: Path,
    tell: Callable[[str], None],
) -> str:
    """Write the tar of a minimal `suite` to `into` and return its date, that of the mirror's Release file (RFC 3339).

    Packages are kept in `cache`, what is in the making under `work`. The same mirror gives the same bytes.
    Raises EnvironmentLacks with the last lines of debootstrap.
    """
    program = process.find("debootstrap", "/usr/sbin", hint=_HINT)
    cache.mkdir(parents=True, exist_ok=True)
    with _scratch(work) as root:
        argv = [program, "--variant=minbase", f"--arch={debian_arch(arch)}", f"--cache-dir={cache}"]
        if archive.signed_by.startswith("/"):
            argv.append(f"--keyring={archive.signed_by}")
        lines: list[str] = []
        phases: set[str] = set()

        def hear(chunk: bytes) -> None:
            fresh = chunk.decode(errors="replace").splitlines()
            lines.extend(fresh)
            for line in fresh:  # "I: Retrieving bash 5.2": a line a package says nothing, a line a phase does
                phase = line.split()[1] if line.startswith("I: ") and len(line.split()) > 2 else ""
                if phase in _PHASES and phase not in phases:
                    phases.add(phase)
                    tell(f"{suite} {arch}: {phase.lower()} packages")

        # passwd(1) and friends put today's date into /etc/shadow unless they are told another.
        code = process.stream([*argv, suite, str(root), archive.uri], hear, env={"SOURCE_DATE_EPOCH": "0"})
        if code != 0:
            log = root / "debootstrap" / "debootstrap.log"
            detail = log.read_text(errors="replace").splitlines() if log.is_file() else lines
            raise EnvironmentLacks(
                f"debootstrap of {suite} for {arch} failed",
                doing=f"making a base image from {archive.uri}",
                detail=detail[-10:],
                hint="sudo apt-get update, and see that the mirror answers",
            )
        date = release_date(root)
        slim(root)
        for path, (text, mode) in texts.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_text(text)
            file.chmod(mode)
        pack(root, into, date)
    return date


def release_date(root: Path) -> str:
    """The date of the Release file that debootstrap took (RFC 3339), the epoch where there is none."""
    for release in sorted((root / "var" / "lib" / "apt" / "lists").glob("*_Release")):
        for line in release.read_text(errors="replace").splitlines():
            if line.startswith("Date: "):
                return parsedate_to_datetime(line.removeprefix("Date: ")).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "1970-01-01T00:00:00Z"


def slim(root: Path) -> None:
    """Take away what an image has no use for, and what differs from one run of debootstrap to the next."""
    for name in _DROPPED:
        (root / name).unlink(missing_ok=True)
    for name in _EMPTIED:
        for path in (root / name).glob("*") if (root / name).is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "locale.alias":
                path.unlink()
    for name in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for path in [*root.glob("var/cache/debconf/*-old"), *root.glob("var/lib/dpkg/*-old"), *root.glob("etc/*-")]:
        path.unlink()
    for folder in (root / "usr" / "share" / "doc").glob("*"):
        for path in folder.glob("*") if folder.is_dir() and not folder.is_symlink() else ():
            if path.name != "copyright":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def pack(root: Path, into: Path, date: str) -> None:
    """Write a root as a tar in which nothing is newer than `date`: the same root gives the same bytes."""
    partial = into.with_name(f"{into.name}.partial")
    argv = [
        "tar", "--create", f"--file={partial}", f"--directory={root}", "--format=gnu", "--sort=name",
        "--numeric-owner", "--clamp-mtime", f"--mtime={date}",
        "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", ".",
    ]  # fmt: skip
    done = process.run([process.find("tar"), *argv[1:]])
    if done.code != 0:
        raise EnvironmentLacks("tar failed", doing="packing a base image", detail=done.complaint.splitlines()[-5:])
    partial.replace(into)


@contextmanager
def _scratch(work: Path) -> Iterator[Path]:
    """A folder for a root in the making; on the way out what debootstrap mounted is unmounted before it is removed."""
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="root-", dir=work))
    try:
        yield folder
    finally:
        unmount_below(folder)
        shutil.rmtree(folder)


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below `folder`.

    Raises EnvironmentLacks where something stays mounted: what is removed next must be ours alone.
    """
    for point in mounts_below(folder):
        done = process.run(["umount", point])
        if done.code != 0:
            done = process.run(["umount", "--lazy", point])
        if done.code != 0:
            raise EnvironmentLacks(f"cannot unmount {point}", detail=done.complaint.splitlines()[-2:])


def mounts_below(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """The mount points at or below `folder`, innermost first. proc(5), `/proc/pid/mountinfo`, field 5."""
    if not mountinfo.is_file():
        return []
    top = os.path.realpath(folder)
    raw = [line.split(" ")[4] for line in mountinfo.read_text().splitlines()]
    points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point) for point in raw]
    return [point for point in reversed(points) if point == top or point.startswith(f"{top}/")]
