"""What is wrong with this machine, and what to type."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from imageyard import process
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch
from imageyard.stack.health import REQUIRED, Diagnosis, Facts, diagnose

__all__ = ["examine", "gather", "report"]


def gather(arches: Iterable[Arch] = ()) -> Facts:
    """Look at this machine; nothing is started and nothing is changed.

    Emulators are looked for that `arches` and those that CI has machines of take.
    """
    from importlib.metadata import PackageNotFoundError, version

    from imageyard.builders import buildx
    from imageyard.engine import Engine
    from imageyard.names import ARCHES, BUILDER_ARCHES
    from imageyard.stack import emulation, local
    from imageyard.stack.bases_lock import read_lock
    from imageyard.stack.state import Folders

    packages: dict[str, str | None] = {}
    for name in REQUIRED:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    engine: Engine | None = None
    complaint: tuple[str, ...] = ()
    try:
        engine = Engine.find(Folders.of_user().socket)
    except EnvironmentLacks as error:
        complaint = error.detail or (error.headline,)
    try:
        plugin = buildx.version(buildx.find())
    except EnvironmentLacks:
        plugin = None
    return Facts(
        python=sys.version_info[:3],
        packages=packages,
        git=_git(),
        engine=engine.version if engine else None,
        engine_complaint=complaint,
        engine_origin=engine.origin if engine else "",
        store=engine.image_store if engine else None,
        buildx=plugin,
        free=_free(str(engine.info.get("DockerRootDir", "")) if engine else ""),
        emulation={arch: emulation.state(arch) for arch in dict.fromkeys((*BUILDER_ARCHES, *arches))}
        if sys.platform == "linux"
        else {},
        standins=sum(len(read_lock(Folders.of_user(), arch).pinned) for arch in ARCHES),
        registry=local.registry_runs(),
    )


def _git() -> str | None:
    try:
        return process.run([process.find("git"), "--version"]).text.removeprefix("git version ") or None
    except EnvironmentLacks:
        return None


def _free(root: str) -> int | None:
    """Bytes free where the engine keeps its images; an engine in a machine of its own has a folder that is not here."""
    return shutil.disk_usage(root).free if root and Path(root).is_dir() else None


def report(findings: Sequence[Diagnosis]) -> str:
    """The findings as lines for people: what is well first in one line each, with what to type under what is not."""
    lines = [f"machine: {platform.system()} {platform.machine()}"]
    for finding in findings:
        mark = "ok   " if finding.ok else "WRONG" if finding.needed else "note "
        lines.append(f"{mark}  {finding.subject}: {finding.found}")
        if not finding.ok:
            lines.append(f"       {finding.wrong}")
            lines += [f"       next: {hint}" for hint in finding.hint]
    return "\n".join(lines)


def examine(arches: Iterable[Arch] = (), *, as_json: bool = False) -> None:
    """Write the findings to standard output; `arches` are those that images are built for.

    Raises EnvironmentLacks where something needed is broken.
    """
    findings = diagnose(gather(arches))
    Story.result([asdict(finding) for finding in findings] if as_json else report(findings))
    broken = [finding for finding in findings if not finding.ok and finding.needed]
    if broken:
        raise EnvironmentLacks(
            broken[0].wrong.rstrip("."),
            doing="examining this machine",
            detail=[f"also: {finding.wrong}" for finding in broken[1:]],
            hint=broken[0].hint,
        )
