"""The local stack: use the engine that is there or start one, with a registry and stand-in bases where no hub is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.catalogue.lock import Lock
from imageyard.engine import Engine
from imageyard.errors import EnvironmentLacks
from imageyard.names import ARCHES, Arch, Digest, Reference
from imageyard.stack import bases, dockerd, emulation, network, registry, service, state
from imageyard.stack.bases_lock import read_lock
from imageyard.stack.rootfs import unmount_below
from imageyard.stack.state import Folders, State

if TYPE_CHECKING:
    from imageyard.console import Story

__all__ = ["ensure_bases", "registry_runs", "served", "start", "status", "stop"]


def served(ref: str, digest: Digest, folders: Folders | None = None) -> Reference:
    """Where a stand-in can be pulled from now. Raises EnvironmentLacks where the stack's registry is not running."""
    known = state.read(folders or Folders.of_user())
    if known.registry_port is None or not _runs(known, "registry"):
        raise EnvironmentLacks(
            "the local stack's registry is not running",
            doing=f"looking for the base image {ref}",
            hint="nox -s local_stack",
        )
    return bases.served(ref, digest, known.registry_port)


def registry_runs(folders: Folders | None = None) -> bool:
    """Whether the registry of the stack runs."""
    return _runs(state.read(folders or Folders.of_user()), "registry")


def start(story: Story, refs: Iterable[str], arch: Arch, folders: Folders | None = None) -> None:
    """Bring up what is missing, and nothing else; `refs` are the base images that rows of `arch` start from.

    Raises EnvironmentLacks with what to type where something cannot be had.
    """
    folders = folders or Folders.of_user()
    with state.changing(folders, _waiting(story)):
        _start_engine(story, folders)
        missing = _missing(folders, refs, arch)
        for ref in [ref for ref in missing if bases.suite_of(ref) is None]:
            story.warn(f"{ref}: no stand-in can be made for it; only the hub has it")
            missing.remove(ref)
        for ref, digest in _familiar(read_lock(folders, arch)):
            story.step(f"stand-in for {ref} ({arch}) is there: {digest}")
        if missing and bases.hub_answers():
            story.step("the hub answers: base images come from there")
            missing = []
        _start_registry(story, folders, needed=bool(missing))
        _make_bases(story, folders, missing, arch)


def ensure_bases(story: Story, refs: Iterable[str], arch: Arch, folders: Folders | None = None) -> None:
    """Make the stand-ins that rows of `arch` need and do not have, with the emulation that it takes.

    Nothing is done where all are there, or where the hub answers. Raises EnvironmentLacks with what to type.
    """
    folders = folders or Folders.of_user()
    refs = tuple(refs)
    if not _missing(folders, refs, arch) or bases.hub_answers():
        return
    with state.changing(folders, _waiting(story)):
        missing = _missing(folders, refs, arch)  # another row may have made them while we waited
        _start_registry(story, folders, needed=True)
        _make_bases(story, folders, missing, arch)


def _waiting(story: Story) -> Callable[[], None]:
    return lambda: story.step("another process is changing the local stack: waiting for it")


def _missing(folders: Folders, refs: Iterable[str], arch: Arch) -> list[str]:
    known = read_lock(folders, arch)
    return [ref for ref in dict.fromkeys(refs) if bases.makeable(ref) and known.get(ref) is None]


def _start_engine(story: Story, folders: Folders) -> None:
    known = state.read(folders)
    if _runs(known, "dockerd") and (version := dockerd.engine_version(folders.socket)):
        story.step(f"engine {version} of the local stack is running: unix://{folders.socket}")
        return
    if found := _other_engine():
        story.step(f"engine {found.version} is there and is used as it is ({found.origin})")
        return
    _may_start()
    for name in ("dockerd", "containerd"):
        if _runs(known, name):
            service.stop(known.services[name])
    _clear(folders)
    with state.exclusive():
        subnet = network.set_up_bridge(folders.bridge, known.subnet)
    known = replace(known, subnet=subnet)
    state.write(folders, known)
    containerd = dockerd.start_containerd(folders)
    try:
        known = _remember(folders, known, "containerd", containerd)
        _remember(folders, known, "dockerd", dockerd.start_dockerd(folders))
    except BaseException:
        service.stop(containerd)
        network.remove_bridge(folders.bridge, subnet)
        raise
    version = dockerd.engine_version(folders.socket)
    story.step(f"engine {version} started: unix://{folders.socket}, network {subnet}")


def _other_engine() -> Engine | None:
    """An engine that is not of this stack, found as every command finds it."""
    try:
        return Engine.find(None)
    except EnvironmentLacks:
        return None


def _may_start() -> None:
    """Raises EnvironmentLacks where no engine can be started from here."""
    if sys.platform != "linux":
        raise EnvironmentLacks(
            "no Docker engine answers, and the local stack starts one on Linux only",
            hint="install and start Docker Desktop or Colima, or set DOCKER_HOST; then: inv doctor",
        )
    if os.geteuid() != 0:
        raise EnvironmentLacks(
            "no Docker engine answers, and starting one takes root",
            doing="starting the local stack",
            hint=["sudo systemctl start docker    (and be in the group docker)", "or, as root: nox -s local_stack"],
        )


def _start_registry(story: Story, folders: Folders, *, needed: bool) -> None:
    known = state.read(folders)
    if _runs(known, "registry"):
        story.step(f"registry is running: 127.0.0.1:{known.registry_port}")
        return
    try:
        started, port = registry.start(folders, known.registry_port)
    except EnvironmentLacks as error:
        if needed:
            raise
        story.detail(f"no registry: {error.headline} (only stand-in bases need it)")
        return
    _remember(folders, replace(known, registry_port=port), "registry", started)
    story.step(f"registry started: 127.0.0.1:{port}")


def _make_bases(story: Story, folders: Folders, missing: Sequence[str], arch: Arch) -> None:
    if not missing:
        return
    if os.geteuid() != 0:
        raise EnvironmentLacks(
            f"no hub can be reached, and making {' and '.join(missing)} takes root",
            doing="looking for base images",
            hint="as root: nox -s local_stack",
        )
    emulation.ensure_emulation(arch)
    port = state.read(folders).registry_port
    assert port is not None
    with story.fold(f"no hub can be reached: making stand-ins for {', '.join(missing)} ({arch})"):
        for made in bases.make(folders, missing, arch, port, story.detail):
            story.step(f"stand-in for {made.ref} ({arch}): {made.digest}")


def status(story: Story, folders: Folders | None = None) -> None:
    """Tell what runs, where, and what it holds. Raises EnvironmentLacks where no engine answers."""
    folders = folders or Folders.of_user()
    known = state.read(folders)
    ours = dockerd.engine_version(folders.socket) if _runs(known, "dockerd") else None
    theirs = _other_engine()
    rows = [
        ("engine of the stack", ours or "none", f"unix://{folders.socket}" if ours else ""),
        ("another engine", theirs.version if theirs else "none", theirs.origin if theirs else ""),
        ("registry", "running" if _runs(known, "registry") else "none", f"127.0.0.1:{known.registry_port or '-'}"),
    ]
    for arch in ARCHES:
        rows += [(f"base {arch}", ref, str(digest)) for ref, digest in _familiar(read_lock(folders, arch))]
    free = shutil.disk_usage(folders.state if folders.state.exists() else Path("/")).free
    rows.append(("disk", f"{free / 2**30:.0f} GiB free", str(folders.state)))
    story.table(("part", "state", "where"), rows)
    if not (ours or theirs):
        raise EnvironmentLacks("no engine is running", hint="nox -s local_stack")


def _familiar(known: Lock) -> list[tuple[str, str]]:
    return [(ref.removeprefix("docker.io/library/"), str(digest)) for ref, digest in known.pinned.items()]


def stop(story: Story, *, purge: bool = False, folders: Folders | None = None) -> None:
    """Stop what was started here, and only that; images and bases stay unless `purge`."""
    folders = folders or Folders.of_user()
    with state.changing(folders, _waiting(story)):
        known = state.read(folders)
        stopped = [name for name in ("dockerd", "containerd", "registry") if _runs(known, name)]
        for name in stopped:
            service.stop(known.services[name])
            story.step(f"{name} stopped")
        if not stopped:
            story.step("nothing of the local stack was running")
        _clear(folders)
        if known.subnet is not None:
            network.remove_bridge(folders.bridge, known.subnet)
        state.write(folders, replace(known, services={}))
        if purge:
            shutil.rmtree(folders.state)
            story.step(f"{folders.state} removed")


def _clear(folders: Folders) -> None:
    """Take away what a killed engine leaves: mounts and sockets."""
    for folder in (folders.run, folders.data, folders.state / "containerd", folders.state / "work"):
        unmount_below(folder)
    for folder in (folders.run, folders.state / "work"):
        shutil.rmtree(folder, ignore_errors=True)


def _runs(known: State, name: str) -> bool:
    return name in known.services and service.alive(known.services[name])


def _remember(folders: Folders, known: State, name: str, started: service.Service) -> State:
    known = replace(known, services={**known.services, name: started})
    state.write(folders, known)
    return known
