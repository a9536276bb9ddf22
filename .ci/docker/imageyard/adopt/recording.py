"""Record what a build script passes to docker: it runs in a copy of the repository, with a stub docker in front."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageyard import git, process
from imageyard.adopt.docker_command import BuildCommand, build_command
from imageyard.adopt.recorded import RecordedBuild
from imageyard.errors import ConfigurationError, NotFound
from imageyard.names import ARCHES, Arch, normal_platform, platform_of

__all__ = ["Recording", "record"]

_STUB = """\
import hashlib, json, os, sys
log, top, *argv = sys.argv[1:]
context = next((one for one in reversed(argv) if os.path.isdir(one)), None)
files = {}
inside = context is not None and (os.path.realpath(context) + os.sep).startswith(os.path.realpath(top) + os.sep)
for folder, _, names in os.walk(context) if inside else ():
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.sep + ".git" + os.sep not in path:
            with open(path, "rb") as stream:
                files[os.path.relpath(path, context)] = hashlib.sha256(stream.read()).hexdigest()
known = {one: os.environ[one] for one in argv if one in os.environ}
with open(log, "a") as stream:
    stream.write(json.dumps({"argv": argv, "cwd": os.getcwd(), "files": files, "environ": known}) + "\\n")
"""
"""What stands for docker: it notes its arguments, the files of the context as they are then, and succeeds."""

_PATIENCE = 600.0
"""Seconds that a script may take for one name: nothing is built."""


@dataclass(frozen=True)
class Recording:
    """What a script asked for: a build for each name; `ignored` are options that say how to build, and not what."""

    builds: tuple[RecordedBuild, ...]
    ignored: tuple[str, ...]


def record(top: Path, script: Path, names: Sequence[str], arch: Arch, env: Mapping[str, str]) -> Recording:
    """Run a script once for each name, in its own folder of a fresh copy of the repository at `top`.

    `arch` is that of builds that name no platform; `env` is added to the pass-list of children. Nothing is built, and
    the repository is not touched. Raises ConfigurationError where the script fails, or builds nothing, or twice.
    """
    if not script.resolve().is_relative_to(top.resolve()):
        raise ConfigurationError(f"{script} is not in the repository", doing="recording a script", hint=f"cd {top}")
    place = script.resolve().relative_to(top.resolve())
    if not script.is_file():
        raise NotFound(f"there is no script {place}", doing="recording a script")
    builds: list[RecordedBuild] = []
    ignored: dict[str, None] = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="imageyard-record-") as folder:
            copy = Path(folder, "repository")
            before = _copy(top, copy)
            asked = _run(copy, place, name, env, Path(folder))
            commands = [(one, command) for one in asked if (command := build_command(one["argv"], one["environ"]))]
            if len(commands) != 1:
                others = ", ".join(sorted({" ".join(one["argv"][:2]) for one in asked})) or "nothing"
                raise ConfigurationError(
                    f"the script asked for {len(commands)} builds, and not for one",
                    doing=f"recording {place} {name}",
                    detail=[f"docker was asked for: {others}"],
                    hint=f"try it by hand: cd {place.parent} && ./{place.name} {name}",
                )
            builds.append(_build(name, *commands[0], copy.resolve(), before, arch))
            ignored |= dict.fromkeys(commands[0][1].others)
    return Recording(tuple(builds), tuple(ignored))


def _copy(top: Path, copy: Path) -> dict[str, str]:
    """Copy what git knows of and what it does not ignore, with the history beside it; hashes by path from the top."""
    done = process.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(top), str(copy)])
    if done.code:
        raise git.refusal(top, done, "copying the repository")
    listed = git.ask(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    hashes = {}
    for name in sorted({os.fsdecode(raw) for raw in git.items(listed.out)}):
        source, target = top / name, copy / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
            if not source.is_symlink():
                hashes[name] = hashlib.sha256(source.read_bytes()).hexdigest()
    git.ask(copy, "reset", "--quiet")
    return hashes


def _run(copy: Path, script: Path, name: str, env: Mapping[str, str], folder: Path) -> list[dict[str, Any]]:
    programs, log, stub = folder / "programs", folder / "asked", folder / "stub.py"
    programs.mkdir()
    stub.write_text(_STUB)
    log.touch()
    words = [sys.executable, "-I", "-S", str(stub), str(log), str(copy)]
    (programs / "docker").write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    (programs / "docker").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    at = copy / script
    argv = [str(at), name] if os.access(at, os.X_OK) else ["bash", str(at), name]
    done = process.run(argv, env={**env, "PATH": path}, cwd=at.parent, timeout=_PATIENCE)
    if done.code:
        raise ConfigurationError(
            f"the script ended with {done.code}",
            doing=f"recording {script} {name}",
            detail=(done.complaint or done.text).splitlines()[-10:],
            hint="what it needs from the environment is given by: --env NAME=VALUE",
        )
    return [json.loads(line) for line in log.read_text().splitlines()]


def _build(
    name: str, asked: Mapping[str, Any], command: BuildCommand, copy: Path, before: Mapping[str, str], arch: Arch
) -> RecordedBuild:
    context = Path(asked["cwd"], command.context).resolve()
    if not context.is_relative_to(copy):
        raise ConfigurationError(f"the context {command.context} is out of the repository", doing=f"recording {name}")
    file = Path(asked["cwd"], command.file).resolve() if command.file else context / "Dockerfile"
    inside = context.relative_to(copy).as_posix()
    added = tuple(
        sorted(
            path
            for path, digest in asked["files"].items()
            if before.get(posixpath.normpath(posixpath.join(inside, path))) != digest
        )
    )
    return RecordedBuild(
        name,
        _arch(command.platforms[0]) if command.platforms else arch,
        file.relative_to(context).as_posix() if file.is_relative_to(context) else f"/{file.relative_to(copy)}",
        command.args,
        context=inside,
        target=command.target,
        no_cache=command.no_cache,
        files=added,
        contexts=command.contexts,
    )


def _arch(platform: str) -> Arch:
    """The architecture of a platform. Raises ConfigurationError where no image is ever built for it."""
    found = {platform_of(arch): arch for arch in ARCHES}.get(normal_platform(platform))
    if found is None:
        raise ConfigurationError(f"no image is built for {platform}", doing="recording a script")
    return found
