"""Record what a build script passes to docker: it runs in a copy of the repository, with a stub docker in front."""

from __future__ import annotations

import json
import os
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageyard import process
from imageyard.adopt.docker_command import BuildCommand, build_command
from imageyard.adopt.recorded import RecordedBuild
from imageyard.adopt.repository_copy import copy_repository, repository_files
from imageyard.adopt.stub_programs import put_in_front
from imageyard.errors import ConfigurationError, NotFound
from imageyard.names import ARCHES, Arch, normal_platform, platform_of

__all__ = ["Recording", "record"]

_PATIENCE = 600.0
"""Seconds that a script may take for one name: nothing is built."""


@dataclass(frozen=True)
class Recording:
    """What a script asked for: a build for each name and platform; `ignored` are options that say how, and not what.

    `failed` are the names for which the script asked for a build and failed after it, each with its exit code.
    """

    builds: tuple[RecordedBuild, ...]
    ignored: tuple[str, ...]
    failed: Mapping[str, int]


@dataclass(frozen=True)
class _Ran:
    """A run of the script: what it asked docker for, call by call, its exit code, and the last that it said."""

    asked: Sequence[Mapping[str, Any]]
    code: int
    said: Sequence[str]


def record(top: Path, script: Path, names: Sequence[str], arch: Arch, env: Mapping[str, str]) -> Recording:
    """Run a script once for each name, in its own folder of a fresh copy of the repository at `top`.

    `arch` is that of builds that name no platform; `env` is added to the pass-list of children. Nothing is built, and
    the repository is not touched. A script may fail after its build, because it looks at an image that is not there.
    Raises ConfigurationError where it fails before, or asks for no build, for two, or for one that cannot be recorded.
    """
    if not script.resolve().is_relative_to(top.resolve()):
        raise ConfigurationError(f"{script} is not in the repository", doing="recording a script", hint=f"cd {top}")
    place = script.resolve().relative_to(top.resolve())
    if not script.is_file():
        raise NotFound(f"there is no script {place}", doing="recording a script", hint="give its path: --record SCRIPT")
    builds: list[RecordedBuild] = []
    ignored: dict[str, None] = {}
    failed: dict[str, int] = {}
    before = repository_files(top)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="imageyard-record-") as folder:
            copy = Path(folder, "repository").resolve()
            copy_repository(top, copy, before)
            log = Path(folder, "asked")
            front = put_in_front(Path(folder, "programs"), log, copy, os.environ.get("PATH", os.defpath))
            ran = _run(copy / place, name, {**env, **front}, log)
            asked, command = _only_build(ran, place, name)
            builds += _builds(name, asked, command, copy, before, arch)
            ignored |= dict.fromkeys(command.others)
            if ran.code:
                failed[name] = ran.code
    return Recording(tuple(builds), tuple(ignored), failed)


def _run(script: Path, name: str, env: Mapping[str, str], log: Path) -> _Ran:
    argv = [str(script), name] if os.access(script, os.X_OK) else ["bash", str(script), name]
    done = process.run(argv, env=env, cwd=script.parent, timeout=_PATIENCE)
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    return _Ran(asked, done.code, (done.complaint or done.text).splitlines()[-10:])


def _only_build(ran: _Ran, script: Path, name: str) -> tuple[Mapping[str, Any], BuildCommand]:
    found = [(one, command) for one in ran.asked if (command := build_command(one["argv"], one["environ"]))]
    if len(found) == 1:
        return found[0]
    doing = f"recording {script} {name}"
    if ran.code and not found:
        hint = "what it needs from the environment is given by: --env NAME=VALUE"
        raise ConfigurationError(f"the script ended with {ran.code}", doing=doing, detail=ran.said, hint=hint)
    others = ", ".join(sorted({" ".join(one["argv"][:2]) for one in ran.asked})) or "nothing"
    raise ConfigurationError(
        f"the script asked for {len(found)} builds, and not for one",
        doing=doing,
        detail=[f"docker was asked for: {others}"],
        hint=f"try it by hand: cd {script.parent} && ./{script.name} {name}",
    )


def _builds(
    name: str, asked: Mapping[str, Any], command: BuildCommand, copy: Path, before: Mapping[str, str], arch: Arch
) -> list[RecordedBuild]:
    """The builds that a command asks for, one for each platform. Raises ConfigurationError."""
    doing = f"recording {name}"
    here = Path(asked["cwd"])
    if command.context == "-" or "://" in command.context:
        raise ConfigurationError(f"the context {command.context} is no folder of the repository", doing=doing)
    context = _inside(here / command.context, copy, f"the context {command.context}", doing)
    named = command.file or posixpath.join(command.context, "Dockerfile")
    file = _inside(here / named, copy, f"the Dockerfile {named}", doing)
    contexts = {
        key: value if "://" in value else f"/{_inside(here / value, copy, f'the context {value}', doing)}"
        for key, value in command.contexts.items()
    }
    files: Mapping[str, str] = asked["files"].get(command.context, {})
    at = {path: posixpath.normpath(posixpath.join(context, path)) for path in files}
    added = sorted(path for path, is_now in files.items() if before.get(at[path]) != is_now)
    below = "" if context == "." else f"{context}/"
    dockerfile = file.removeprefix(below) if file.startswith(below) else f"/{file}"
    arches = [_arch(platform) for platform in command.platforms] or [arch]
    return [
        RecordedBuild(
            name,
            each,
            dockerfile,
            command.args,
            context=context,
            target=command.target,
            no_cache=command.no_cache,
            files=tuple(added),
            contexts=contexts,
        )
        for each in arches
    ]


def _inside(path: Path, copy: Path, what: str, doing: str) -> str:
    """A path from the top of the repository. Raises ConfigurationError where it leads out of it."""
    whole = path.resolve()
    if not whole.is_relative_to(copy):
        raise ConfigurationError(f"{what} is out of the repository", doing=doing)
    return whole.relative_to(copy).as_posix()


def _arch(platform: str) -> Arch:
    """The architecture of a platform. Raises ConfigurationError where no image is ever built for it."""
    found = {platform_of(arch): arch for arch in ARCHES}.get(normal_platform(platform))
    if found is None:
        raise ConfigurationError(f"no image is built for {platform}", doing="recording a script")
    return found
