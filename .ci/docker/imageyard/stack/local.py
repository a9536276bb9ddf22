"""The local stack: use the engine that is there or start one, with a registry and stand-in bases where no hub is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import process
from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, Digest, Reference
from imageyard.stack import bases, dockerd, emulation, network, registry, service, state
from imageyard.stack.rootfs import unmount_below
from imageyard.stack.state import Folders, State

if TYPE_CHECKING:
    from imageyard.console import Story

__all__ = ["ensure_bases", "served", "socket", "standins", "start", "status", "stop"]


def socket(folders: Folders | None = None) -> Path:
    """Where the stack's own engine listens, whether it runs or not."""
    return (folders or Folders.of_user()).socket


def standins(arch: Arch, folders: Folders | None = None) -> dict[str, Digest]:
    """The stand-in bases of an architecture: what a Dockerfile calls each, and its digest."""
    return {ref: s.digest for ref, s in bases.read_lock(folders or Folders.of_user(), arch).items()}


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


def start(story: Story, refs: Iterable[str], arch: Arch, folders: Folders | None = None) -> None:
    """Bring up what is missing, and nothing else; `refs` are the base images that rows of `arch` start from.

    Raises EnvironmentLacks with what to type where something cannot be had.
    """
    folders = folders or Folders.of_user()
    _linux()
    with state.changing(folders):
        _start_engine(story, folders)
        _start_registry(story, folders)
        _make_bases(story, folders, refs, arch)


def ensure_bases(story: Story, refs: Iterable[str], arch: Arch, folders: Folders | None = None) -> None:
    """Make the stand-ins that rows of `arch` need and do not have, with the emulation that it takes.

    Nothing is done where all are there, or where the hub answers. Raises EnvironmentLacks with what to type.
    """
    folders = folders or Folders.of_user()
    missing = [ref for ref in refs if ref not in bases.read_lock(folders, arch)]
    if not missing or bases.hub_answers():
        return
    _linux()
    with state.changing(folders):
        _start_registry(story, folders)
        _make_bases(story, folders, missing, arch)


def _start_engine(story: Story, folders: Folders) -> None:
    known = state.read(folders)
    if _runs(known, "dockerd") and (version := engine_version(folders.socket)):
        story.step(f"engine {version} of the local stack is running")
        return
    if found := engine_version(None):
        story.step(f"engine {found} is there and is used as it is")
        return
    if os.geteuid() != 0:
        raise EnvironmentLacks(
            "no Docker engine answers, and starting one takes root",
            doing="starting the local stack",
            hint=["sudo systemctl start docker    (and be in the group docker)", "or, as root: nox -s local_stack"],
        )
    for name in ("dockerd", "containerd"):
        if _runs(known, name):
            service.stop(known.services[name])
    _clear(folders)
    with state.exclusive():
        subnet = network.set_up_bridge(folders.bridge, known.subnet)
    known = replace(known, subnet=subnet)
    state.write(folders, known)
    containerd = dockerd.start_containerd(folders)
    known = _remember(folders, known, "containerd", containerd)
    daemon = dockerd.start_dockerd(folders, lambda: engine_version(folders.socket))
    _remember(folders, known, "dockerd", daemon)
    story.step(f"engine {engine_version(folders.socket)} started: unix://{folders.socket}, network {subnet}")


def _start_registry(story: Story, folders: Folders) -> None:
    known = state.read(folders)
    if _runs(known, "registry"):
        story.step(f"registry is running: 127.0.0.1:{known.registry_port}")
        return
    started, port = registry.start(folders, known.registry_port)
    _remember(folders, replace(known, registry_port=port), "registry", started)
    story.step(f"registry started: 127.0.0.1:{port}")


def _make_bases(story: Story, folders: Folders, refs: Iterable[str], arch: Arch) -> None:
    known = bases.read_lock(folders, arch)
    missing = [ref for ref in dict.fromkeys(refs) if ref not in known]
    if missing and bases.hub_answers():
        story.step("the hub answers: base images come from there")
        return
    for ref in dict.fromkeys(refs):
        if ref in known:
            story.step(f"stand-in for {ref} ({arch}) is there: {known[ref].digest}")
    if not missing:
        return
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
    ours = engine_version(folders.socket) if _runs(known, "dockerd") else None
    theirs = None if ours else engine_version(None)
    rows = [
        ("engine", ours or theirs or "none", f"unix://{folders.socket}" if ours else "not ours" if theirs else ""),
        ("registry", "running" if _runs(known, "registry") else "none", f"127.0.0.1:{known.registry_port or '-'}"),
    ]
    arches: tuple[Arch, ...] = ("amd64", "arm64")
    for arch in arches:
        rows += [(f"base {arch}", s.ref, str(s.digest)) for s in bases.read_lock(folders, arch).values()]
    free = shutil.disk_usage(folders.state if folders.state.exists() else Path("/")).free
    rows.append(("disk", f"{free / 2**30:.0f} GiB free", str(folders.state)))
    story.table(("part", "state", "where"), rows)
    if not (ours or theirs):
        raise EnvironmentLacks("no engine is running", hint="nox -s local_stack")


def stop(story: Story, *, purge: bool = False, folders: Folders | None = None) -> None:
    """Stop what was started here, and only that; images and bases stay unless `purge`."""
    folders = folders or Folders.of_user()
    with state.changing(folders):
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


def engine_version(path: Path | None) -> str | None:
    """The version of the engine at a socket, or of the one that DOCKER_HOST or the context names; None: no answer."""
    try:
        program = process.find("docker")
        host = [] if path is None else ["--host", f"unix://{path}"]
        done = process.run([program, *host, "version", "--format", "{{.Server.Version}}"], timeout=20)
    except (EnvironmentLacks, TimeoutError):
        return None
    return done.text if done.code == 0 and done.text else None


def _linux() -> None:
    if sys.platform != "linux":
        raise EnvironmentLacks(
            "the local stack starts an engine on Linux only",
            hint="install and start Docker Desktop or Colima, or set DOCKER_HOST; then: inv doctor",
        )
