"""Install what the local stack is made of: say what will be done, then do it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import files, process
from imageyard.builders.buildx import PLUGIN_FOLDERS
from imageyard.errors import EnvironmentLacks
from imageyard.stack import apt
from imageyard.stack.packages import (
    ENGINE,
    NEEDED,
    SOURCES,
    Need,
    Plan,
    plan,
    read_os_release,
    script,
    version_in,
)

if TYPE_CHECKING:
    from imageyard.console import Story

__all__ = ["found_programs", "install", "install_stack"]

_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", *PLUGIN_FOLDERS)


def install_stack(story: Story) -> None:
    """Install engine, buildx, registry, debootstrap and emulators, as far as they are missing. Starts nothing itself.

    Raises EnvironmentLacks as `install` does.
    """
    install(story, (*ENGINE, *NEEDED), "the local stack")


def install(story: Story, needs: Sequence[Need], what: str) -> None:
    """Install what is missing of `needs`, which `what` is the name of: first the lines that are run as root, then all.

    Raises EnvironmentLacks where it takes root, or where this is neither Debian nor Ubuntu, with what to type.
    """
    wanted = _plan(needs)
    if wanted.skipped:
        story.warn(f"not packaged here: {', '.join(wanted.skipped)}")
    if not wanted.commands:
        story.step(f"{what}: everything is installed")
        return
    root = os.geteuid() == 0
    with story.fold(f"{what}: what has to be done as root"):
        for line in script(wanted, sudo=not root):
            story.detail(line)
    if not root:
        raise EnvironmentLacks(f"installing {what} takes root", hint=["run the lines above, then:", "inv doctor"])
    _carry_out(story, wanted)
    if left := _plan(needs).commands:
        raise EnvironmentLacks(f"not installed after all: {' '.join(left[-1][-3:])}", hint="inv doctor")
    story.step(f"{what}: installed")


def _plan(needs: Sequence[Need]) -> Plan:
    release = Path("/etc/os-release")
    return plan(
        read_os_release(release.read_text(encoding="utf-8") if release.is_file() else ""),
        apt.read_folder(Path("/etc/apt"), besides=[Path(SOURCES).name]),
        found_programs(needs),
        needs,
    )


def _carry_out(story: Story, wanted: Plan) -> None:
    for path, text in wanted.files.items():
        files.atomic_write(Path(path), text.encode(), 0o644)
    for command in wanted.commands:
        said: list[str] = []

        def hear(chunk: bytes, said: list[str] = said) -> None:
            said.append(chunk.decode(errors="replace"))

        with story.fold(f"{' '.join(command[:1])} {'install' if 'install' in command else 'update'}"):
            program = process.find(command[0])
            env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
            code = process.stream([program, *command[1:]], hear, env=env)
        if code != 0:
            raise EnvironmentLacks(
                f"{command[0]} ended with {code}",
                doing=" ".join(command),
                detail="".join(said).splitlines()[-10:],
                hint="see that the mirror in apt's sources answers, and that no other apt runs",
            )
        story.detail(f"{len(''.join(said).splitlines())} lines, exit 0")


def found_programs(needs: Iterable[Need]) -> dict[str, tuple[int, ...] | None]:
    """The programs that are there, with the version that each tells where one is asked for."""
    found: dict[str, tuple[int, ...] | None] = {}
    for need in needs:
        try:
            program = process.find(need.program, Path.home() / ".docker" / "cli-plugins", *_FOLDERS)
        except EnvironmentLacks:
            continue
        found[need.program] = _version(program) if need.oldest else ()
    return found


def _version(program: str) -> tuple[int, ...]:
    argument = "version" if program.endswith("buildx") else "--version"
    try:
        return version_in(process.run([program, argument], timeout=20).text)
    except (EnvironmentLacks, TimeoutError):
        return ()
