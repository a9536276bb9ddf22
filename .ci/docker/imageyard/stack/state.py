"""What this machine remembers of the local stack: its folders, the services that it started, their ports."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imageyard import files
from imageyard.stack.service import Service

__all__ = ["Folders", "State", "changing", "exclusive", "read", "write"]


@dataclass(frozen=True)
class Folders:
    """Where the stack lives. Sockets are elsewhere than the rest: their paths must stay under 108 bytes (unix(7))."""

    state: Path
    run: Path

    @classmethod
    def of_user(cls) -> Folders:
        """The folders of this user on this machine: `imageyard/stack` in the user's cache folder."""
        state = files.user_cache(os.environ).absolute() / "stack"
        runtime = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR", tempfile.gettempdir()))
        return cls(state, runtime / f"imageyard-{hashlib.sha256(os.fsencode(state)).hexdigest()[:8]}")

    @property
    def socket(self) -> Path:
        """Where the engine that we start listens."""
        return self.run / "docker.sock"

    @property
    def bridge(self) -> str:
        """The name of our bridge: at most 15 characters, no other stack has it."""
        return f"iy-{self.run.name.rpartition('-')[2]}"

    @property
    def data(self) -> Path:
        """The engine's images and layers."""
        return self.state / "engine"

    def log(self, name: str) -> Path:
        """Where a service writes what it has to say."""
        return self.state / f"{name}.log"


@dataclass(frozen=True)
class State:
    """The services that were started, by name, and what they were given. They may have ended since."""

    services: dict[str, Service] = field(default_factory=dict)
    subnet: str | None = None
    registry_port: int | None = None


def read(folders: Folders) -> State:
    """What is remembered; a record that cannot be read is as good as none: what runs is asked again anyway."""
    try:
        value = json.loads((folders.state / "stack.json").read_bytes())
        services = {name: Service(**known) for name, known in value["services"].items()}
        return State(services, value["subnet"], value["registry_port"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def write(folders: Folders, state: State) -> None:
    """Remember `state`; called under the lock of `changing`."""
    files.atomic_write(folders.state / "stack.json", json.dumps(asdict(state), indent=2).encode())


@contextmanager
def changing(folders: Folders, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """One process at a time starts, stops or adds to the stack; `on_wait` is called once where that takes long."""
    folders.state.mkdir(parents=True, exist_ok=True)
    with files.locked(folders.state / "stack.lock", on_wait):
        yield


@contextmanager
def exclusive() -> Iterator[None]:
    """One stack of this machine at a time, whoever's: two that look for a free network would find the same."""
    with files.locked(Path("/run/imageyard.lock")):
        yield
