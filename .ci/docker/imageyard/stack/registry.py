"""A registry on loopback for the stand-in base images: CNCF distribution as Debian packages it."""

from __future__ import annotations

import re
from functools import partial

from imageyard import process
from imageyard.errors import EnvironmentLacks
from imageyard.stack import service
from imageyard.stack.service import Service
from imageyard.stack.state import Folders

__all__ = ["config", "listening_port", "start"]

_LISTENING = re.compile(rb"listening on 127\.0\.0\.1:(\d+)")


def config(folders: Folders, port: int) -> str:
    """The registry's configuration (docker-registry 2.8); port 0 lets the kernel choose."""
    return "\n".join(
        [
            "version: 0.1",
            "log: {level: info, accesslog: {disabled: true}}",
            "storage:",
            f"  filesystem: {{rootdirectory: '{str(folders.state / 'registry').replace(chr(39), chr(39) * 2)}'}}",
            "  delete: {enabled: true}",
            f"http: {{addr: '127.0.0.1:{port}'}}",
            "",
        ]
    )


def listening_port(log: bytes) -> int | None:
    """The port that the registry says it listens on, or None while it has not said so."""
    found = _LISTENING.search(log)
    return int(found[1]) if found else None


def start(folders: Folders, port: int | None) -> tuple[Service, int]:
    """Start the registry on `port` if that is free, else on another, and return it with its port.

    Raises EnvironmentLacks with the end of its log.
    """
    program = process.find("docker-registry", "/usr/bin", hint="nox -s install_stack")
    log = folders.log("registry")
    file = folders.state / "registry.yml"
    for wanted in (port, 0) if port else (0,):
        file.write_text(config(folders, wanted))
        size = log.stat().st_size if log.exists() else 0
        started = service.start([program, "serve", str(file)], log)
        try:
            ready = partial(_said, folders, size)
            found = service.wait_for(started, ready, name="docker-registry", log=log, since=size)
        except EnvironmentLacks:
            if not wanted:
                raise
            continue
        except BaseException:
            service.stop(started)
            raise
        return started, found
    raise AssertionError("port 0 was tried")


def _said(folders: Folders, since: int) -> int | None:
    with folders.log("registry").open("rb") as file:
        file.seek(since)
        return listening_port(file.read())
