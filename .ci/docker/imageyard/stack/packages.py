"""What the local stack is made of on Debian and Ubuntu, and the commands that install what is missing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imageyard.errors import EnvironmentLacks
from imageyard.stack import apt

__all__ = [
    "ENGINE",
    "NEEDED",
    "Need",
    "Plan",
    "Release",
    "plan",
    "read_os_release",
    "script",
    "version_in",
]

PREFERENCES = "/etc/apt/preferences.d/imageyard"
SOURCES = "/etc/apt/sources.list.d/imageyard.sources"

_SUITES = {"trixie": (13, 60), "forky": (14, 50)}
"""Suite -> its Debian version, and a pin under 100, the priority of what is installed (apt_preferences(5)): nothing
else moves to these suites."""


@dataclass(frozen=True)
class Need:
    """A package, the program by which it is known to be there, and the oldest version that does (() for any).

    `since` is the first Debian release that has it so; before that it comes from `newer`, a suite of `_SUITES`.
    """

    package: str
    program: str
    oldest: tuple[int, ...] = ()
    since: int = 0
    newer: str = ""
    ubuntu: bool = True


ENGINE = (
    Need("docker.io", "dockerd", (26, 1), 13, "forky"),
    Need("docker-cli", "docker", (20, 10), 13, "forky", ubuntu=False),  # there docker.io has it
    Need("docker-buildx", "docker-buildx", (0, 13), 13, "forky"),
    Need("containerd", "containerd", (1, 6), 13, "forky"),
)
"""Debian 12's own docker.io is 20.10, without buildx; 26.1 with buildx 0.13.1 is the oldest pair that is supported."""

NEEDED = (
    Need("ca-certificates", "update-ca-certificates"),
    Need("iproute2", "ip"),
    Need("iptables", "iptables"),
    Need("docker-registry", "docker-registry"),
    Need("debootstrap", "debootstrap"),
    Need("qemu-user-static", "qemu-aarch64-static"),
    Need("binfmt-support", "update-binfmts"),
)


@dataclass(frozen=True)
class Release:
    """What `/etc/os-release` says (os-release(5)): `debian`, `12`, `bookworm`."""

    id: str
    version: str
    codename: str


@dataclass(frozen=True)
class Plan:
    """Files to write and commands to run, in this order; empty where nothing is missing.

    `skipped` are programs that this distribution does not package.
    """

    files: Mapping[str, str]
    commands: tuple[tuple[str, ...], ...]
    skipped: tuple[str, ...] = ()


def read_os_release(text: str) -> Release:
    """Read `/etc/os-release`, whose values are quoted as in a shell."""
    fields = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            fields[name] = "".join(shlex.split(value))
    return Release(fields.get("ID", ""), fields.get("VERSION_ID", ""), fields.get("VERSION_CODENAME", ""))


def plan(
    release: Release,
    sources: Sequence[apt.AptSource],
    found: Mapping[str, tuple[int, ...] | None],
    needs: Iterable[Need],
) -> Plan:
    """What to do on this machine; `found` holds each program that is there with its version, () where it tells none.

    Raises EnvironmentLacks where it is neither Debian nor Ubuntu, or where no mirror is named.
    """
    missing = [n for n in needs if (version := found.get(n.program)) is None or version[: len(n.oldest)] < n.oldest]
    if not missing:
        return Plan({}, ())
    if release.id not in ("debian", "ubuntu"):
        raise EnvironmentLacks(
            f"install_stack knows Debian and Ubuntu, and this is {release.id or 'neither'}",
            doing="looking for how to install the local stack",
            detail=["missing: " + ", ".join(n.program for n in missing)],
            hint="install Docker 26.1 or newer with buildx 0.13 or newer (docs.docker.com/engine/install); inv doctor",
        )
    if release.id == "ubuntu":
        names = [n.package for n in missing if n.ubuntu]
        skipped = tuple(n.program for n in missing if not n.ubuntu)
        return Plan({}, _install(names), skipped)
    major = int(release.version) if release.version.isdigit() else 99  # testing and unstable have no VERSION_ID
    files: dict[str, str] = {}
    if any(major < n.since for n in missing):
        mirror = apt.archive(sources, release.codename)
        if mirror is None:
            raise EnvironmentLacks(
                f"apt's sources name no mirror for {release.codename}",
                doing="looking for the machine's package mirror",
                hint="ls /etc/apt/sources.list /etc/apt/sources.list.d",
            )
        suites = [suite for suite, (version, _) in _SUITES.items() if version > major]
        files = {SOURCES: sources_text(mirror, suites), PREFERENCES: preferences_text(suites)}
    return Plan(files, _install([f"{n.package}/{n.newer}" if major < n.since else n.package for n in missing]))


def _install(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    stale = ("-o", "Acquire::Check-Valid-Until=false")
    install = ("apt-get", *stale, "install", "--yes", "--no-install-recommends", *names)
    return (("apt-get", *stale, "update"), install) if names else ()


def sources_text(mirror: apt.Mirror, suites: Sequence[str]) -> str:
    """The sources of newer suites on the machine's own mirror."""
    key = f"Signed-By: {mirror.signed_by}\n" if mirror.signed_by else ""
    where = f"URIs: {mirror.uri}\nSuites: {' '.join(suites)}\n"
    return f"# Written by install_stack.\nTypes: deb\n{where}Components: main\n{key}"


def preferences_text(suites: Sequence[str]) -> str:
    """The pins that keep everything else at the machine's own release."""
    return "\n".join(f"Package: *\nPin: release n={suite}\nPin-Priority: {_SUITES[suite][1]}\n" for suite in suites)


def script(plan: Plan, *, sudo: bool) -> list[str]:
    """The plan as lines for a shell, to read or to paste."""
    as_root = "sudo " if sudo else ""
    lines = []
    for path, text in plan.files.items():
        lines += [f"{as_root}tee {path} >/dev/null <<'EOF'", *text.rstrip("\n").splitlines(), "EOF"]
    return lines + [f"{as_root}{shlex.join(command)}" for command in plan.commands]


def version_in(text: str) -> tuple[int, ...]:
    """The first dotted number in what a program says of itself; () where there is none."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
