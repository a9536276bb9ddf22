"""What a machine needs, as small checks over facts that were gathered once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["CHECKS", "REQUIRED", "Diagnosis", "Facts", "HealthCheck", "diagnose", "numbers"]

REQUIRED: Mapping[str, tuple[int, ...]] = {"nox": (2026, 8, 10), "invoke": (3, 0, 3)}
"""Distributions and their oldest versions, as `pyproject.toml` has them."""

OLDEST_ENGINE, OLDEST_BUILDX = (26, 1), (0, 13)
"""The pair that the tests are run on beside the current one."""

GIB = 2**30
ENOUGH, LITTLE = 20 * GIB, 2 * GIB


@dataclass(frozen=True)
class Facts:
    """What was seen of the machine; None is for what is not there, or did not say."""

    python: tuple[int, ...] = ()
    packages: Mapping[str, str | None] = field(default_factory=dict)
    git: str | None = None
    engine: str | None = None
    engine_complaint: tuple[str, ...] = ()
    engine_origin: str = ""
    store: str | None = None
    buildx: str | None = None
    free: int | None = None  # bytes, where the engine keeps its images; None where that is another machine
    emulation: Mapping[str, str | None] = field(default_factory=dict)  # arch -> what keeps it from running
    standins: int = 0
    registry: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """The answer to one check: what was found, and where it is not well, what is wrong and what to type."""

    subject: str
    ok: bool
    needed: bool
    found: str
    wrong: str = ""
    hint: tuple[str, ...] = ()


class HealthCheck:
    """A check's docstring is what is wrong where it does not hold."""

    subject = ""
    needed = True
    hint: tuple[str, ...] = ()

    def found(self, facts: Facts) -> str:
        """What was seen, in a few words."""
        raise TypeError(f"{type(self).__name__} does not say what it saw")

    def holds(self, facts: Facts) -> bool:
        """Whether it is well."""
        raise TypeError(f"{type(self).__name__} does not judge")


class PythonIsNewEnough(HealthCheck):
    """Python is older than 3.10."""

    subject = "Python"
    hint = ("make the virtual environment with a newer one: python3.11 -m venv .venv",)

    def found(self, facts: Facts) -> str:
        return ".".join(map(str, facts.python))

    def holds(self, facts: Facts) -> bool:
        return facts.python >= (3, 10)


class PackagesAreNewEnough(HealthCheck):
    """Nox or Invoke is missing or older than what the sessions and tasks were written for."""

    subject = "Nox, Invoke"
    hint = ("pip install -e .",)

    def found(self, facts: Facts) -> str:
        return ", ".join(f"{name} {version or 'missing'}" for name, version in facts.packages.items())

    def holds(self, facts: Facts) -> bool:
        return all(numbers(facts.packages.get(name)) >= oldest for name, oldest in REQUIRED.items())


class GitIsThere(HealthCheck):
    """git is not installed; the files of a recipe are those that git sees."""

    subject = "git"
    hint = ("sudo apt-get install git",)

    def found(self, facts: Facts) -> str:
        return facts.git or "none"

    def holds(self, facts: Facts) -> bool:
        return facts.git is not None


class EngineAnswers(HealthCheck):
    """No Docker engine answers."""

    subject = "engine"
    hint = ("nox -s install_stack local_stack", "or start yours, or set DOCKER_HOST")

    def found(self, facts: Facts) -> str:
        if facts.engine is None:
            return "; ".join(facts.engine_complaint) or "none"
        return f"{facts.engine} ({facts.engine_origin})"

    def holds(self, facts: Facts) -> bool:
        return facts.engine is not None


class BuildxIsNewEnough(HealthCheck):
    """The docker-buildx plugin is missing or older than 0.13, which first had --progress=rawjson."""

    subject = "buildx"
    hint = ("nox -s install_stack",)

    def found(self, facts: Facts) -> str:
        return facts.buildx or "none"

    def holds(self, facts: Facts) -> bool:
        return numbers(facts.buildx) >= OLDEST_BUILDX


class EngineIsNewEnough(HealthCheck):
    """The engine is older than 26.1, the oldest that is tried: what README's table of versions says may not hold."""

    subject = "engine with buildx"
    needed = False
    hint = ("take a newer one: https://docs.docker.com/engine/install/",)

    def found(self, facts: Facts) -> str:
        return f"{facts.engine or 'none'} with {facts.buildx or 'none'}, {facts.store or 'unknown'} image store"

    def holds(self, facts: Facts) -> bool:
        return facts.engine is None or numbers(facts.engine) >= OLDEST_ENGINE


class StoreKeepsDigests(HealthCheck):
    """The engine has the classic image store: it holds no digests, no provenance and nothing that is reproducible."""

    subject = "image store"
    needed = False
    hint = ('it works all the same; for the other: "features": {"containerd-snapshotter": true} in daemon.json',)

    def found(self, facts: Facts) -> str:
        return facts.store or "unknown"

    def holds(self, facts: Facts) -> bool:
        return facts.store in ("containerd", None)


class DiskHasRoom(HealthCheck):
    """Less than 2 GiB is free where the engine keeps its images; not one image fits."""

    subject = "disk"
    hint = ("inv clean", "docker system df")

    def found(self, facts: Facts) -> str:
        return "unknown" if facts.free is None else f"{facts.free / GIB:.0f} GiB free"

    def holds(self, facts: Facts) -> bool:
        return facts.free is None or facts.free >= LITTLE


class DiskIsComfortable(DiskHasRoom):
    """Less than 20 GiB is free where the engine keeps its images; a whole catalogue may not fit."""

    subject = "disk for all"
    needed = False

    def holds(self, facts: Facts) -> bool:
        return facts.free is None or facts.free >= ENOUGH


class EmulatorsWork(HealthCheck):
    """Images of another architecture cannot be built here yet; the first such build turns its emulator on as root."""

    subject = "emulators"
    needed = False
    hint = ("nox -s install_stack",)

    def found(self, facts: Facts) -> str:
        return ", ".join(f"{arch}: {fault or 'works'}" for arch, fault in facts.emulation.items())

    def holds(self, facts: Facts) -> bool:
        return not any(facts.emulation.values())


class BasesAreServed(HealthCheck):
    """Stand-in bases are recorded, and the registry that serves them is not running."""

    subject = "stand-in bases"
    hint = ("nox -s local_stack",)

    def found(self, facts: Facts) -> str:
        served = "registry runs" if facts.registry else "no registry"
        return f"{facts.standins}, {served}" if facts.standins else "none"

    def holds(self, facts: Facts) -> bool:
        return facts.registry or not facts.standins


CHECKS: tuple[HealthCheck, ...] = (
    PythonIsNewEnough(),
    PackagesAreNewEnough(),
    GitIsThere(),
    EngineAnswers(),
    BuildxIsNewEnough(),
    EngineIsNewEnough(),
    StoreKeepsDigests(),
    DiskHasRoom(),
    DiskIsComfortable(),
    EmulatorsWork(),
    BasesAreServed(),
)


def numbers(version: str | None) -> tuple[int, ...]:
    """The leading dotted numbers of a version, () for none: `0.29.1+ds1` is (0, 29, 1)."""
    match = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def diagnose(facts: Facts, checks: Sequence[HealthCheck] = CHECKS) -> tuple[Diagnosis, ...]:
    """Every check's answer, in their order."""
    findings = []
    for check in checks:
        ok = check.holds(facts)
        wrong = "" if ok else (type(check).__doc__ or "").strip()
        findings.append(Diagnosis(check.subject, ok, check.needed, check.found(facts), wrong, () if ok else check.hint))
    return tuple(findings)
