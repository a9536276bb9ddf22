"""Keeps one private engine alive for as long as somebody holds a shared lock on its `users` file, however they end.

Run as a program: `keeper.py FOLDER STORE`, STORE being `containerd` or `classic`.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import sys
from pathlib import Path

from imageyard.stack import dockerd, network, service, state
from imageyard.stack.rootfs import unmount_below
from imageyard.stack.state import Folders


def keep(folder: Path, store: str) -> None:
    """Start the engine, wait until the last user let go, stop it and take everything away."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, signal.SIG_IGN)
    folders = Folders(folder / "state", folder / f"run-{folder.name[-8:]}")
    folders.state.mkdir()
    subnet: str | None = None
    services: list[service.Service] = []
    try:
        with state.exclusive():
            subnet = network.set_up_bridge(folders.bridge, None)
        services.append(dockerd.start_containerd(folders, shutil.which("containerd")))
        services.append(_start(folders, store))
        ready = folder / "socket"
        ready.write_text(str(folders.socket))
        with (folder / "users").open() as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            ready.unlink()  # whoever asks from now on starts another
    finally:
        for one in reversed(services):
            service.stop(one)
        network.remove_bridge(folders.bridge, subnet)
        unmount_below(folder)
        shutil.rmtree(folder)


def _start(folders: Folders, store: str) -> service.Service:
    config = json.loads(dockerd.dockerd_config(folders))
    config["features"] = {"containerd-snapshotter": store == "containerd"}
    file = folders.state / "dockerd.json"
    file.write_text(json.dumps(config))
    log = folders.log("dockerd")
    engine = service.start(["dockerd", "--config-file", str(file)], log)
    service.wait_for(engine, lambda: dockerd.engine_version(folders.socket), name="dockerd", log=log)
    return engine


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2])
