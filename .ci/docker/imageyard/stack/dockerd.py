"""An engine of the stack's own: containerd and dockerd, apart from every other on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

from imageyard import daemon, process
from imageyard.stack import service
from imageyard.stack.service import Service
from imageyard.stack.state import Folders

__all__ = ["containerd_config", "dockerd_config", "engine_version", "start_containerd", "start_dockerd"]

_HINT = "nox -s install_stack"
_SYSTEM = ("/usr/sbin", "/usr/bin", "/sbin")


def containerd_config(folders: Folders) -> str:
    """The configuration, in the version that containerd 1.6 to 2.1 all read.

    dockerd would use the machine's containerd where there is one, and with it images outside its own data-root.
    """
    return "\n".join(
        [
            "version = 2",
            f"root = {json.dumps(str(folders.state / 'containerd'))}",
            f"state = {json.dumps(str(folders.run / 'containerd'))}",
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
            "[grpc]",
            f"address = {json.dumps(str(_containerd_socket(folders)))}",
            "",
        ]
    )


def dockerd_config(folders: Folders) -> str:
    """The daemon's configuration (dockerd 26.1 and 28.5)."""
    return json.dumps(
        {
            "bridge": folders.bridge,
            "containerd": str(_containerd_socket(folders)),
            "data-root": str(folders.data),
            "exec-root": str(folders.run / "exec"),
            "features": {"containerd-snapshotter": True},
            "hosts": [f"unix://{folders.socket}"],
            "ip6tables": False,
            "iptables": False,  # see network.rules
            "pidfile": str(folders.run / "dockerd.pid"),
        },
        indent=2,
    )


def start_containerd(folders: Folders, program: str | None = None) -> Service:
    """Start containerd, this machine's unless told, and wait for its socket.

    Raises EnvironmentLacks with the end of its log.
    """
    program = program or process.find("containerd", *_SYSTEM, hint=_HINT)
    config = folders.state / "containerd.toml"
    config.write_text(containerd_config(folders))
    return _start(folders, "containerd", [program, "--config", str(config)], lambda: _answers(folders))


def start_dockerd(folders: Folders) -> Service:
    """Start dockerd and wait until it answers. Raises EnvironmentLacks with the end of its log."""
    program = process.find("dockerd", *_SYSTEM, hint=_HINT)
    config = folders.state / "dockerd.json"
    config.write_text(dockerd_config(folders))
    (folders.run / "dockerd.pid").unlink(missing_ok=True)  # a kill -9 leaves it, and its pid may be another's by now
    return _start(folders, "dockerd", [program, "--config-file", str(config)], lambda: engine_version(folders.socket))


def engine_version(path: Path) -> str | None:
    """The version of the engine that listens at a socket, or None (Engine API, `GET /version`)."""
    try:
        answer = daemon.ask(str(path), "/version", patience=10.0)
    except TimeoutError:
        return None
    return str(answer[1]["Version"]) if answer and answer[0] == 200 and "Version" in (answer[1] or {}) else None


def _start(folders: Folders, name: str, argv: list[str], ready: Callable[[], object]) -> Service:
    folders.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    log = folders.log(name)
    size = log.stat().st_size if log.exists() else 0
    started = service.start(argv, log)
    try:
        service.wait_for(started, ready, name=name, log=log, since=size)
    except BaseException:
        service.stop(started)
        raise
    return started


def _containerd_socket(folders: Folders) -> Path:
    return folders.run / "containerd.sock"


def _answers(folders: Folders) -> bool | None:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(_containerd_socket(folders)))
        except OSError:
            return None
    return True
