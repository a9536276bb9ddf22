"""An engine in memory for the logic above it: images by name, with labels, platform and digest. It runs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from imageyard.engine import Container, ImageStore, LoadedImage
from imageyard.errors import EnvironmentLacks, NotFound
from imageyard.names import Digest


@dataclass
class MemoryEngine:
    """Has the methods of `Engine` that building asks for."""

    image_store: ImageStore = "containerd"
    loaded: dict[str, LoadedImage] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = "28.5.2"
    held: set[str] = field(default_factory=set)  # names that a container uses
    runs: dict[str, str] = field(default_factory=dict)  # containers, each with the run that started it
    program: str = "docker"

    def save_with(self, archive: Path) -> None:
        """Let `docker save --output FILE NAME` hand over this archive."""
        program = archive.with_suffix(".sh")
        program.write_text(f'#!/bin/sh\ncp {archive} "$3"\n')
        program.chmod(0o755)
        self.program = str(program)

    def load(self, name: str, platform: str = "linux/amd64", **labels: str) -> LoadedImage:
        """Put an image under a name; labels are those of Imageyard, without `io.imageyard.`."""
        digest = Digest(f"sha256:{hashlib.sha256(f'{name} {labels}'.encode()).hexdigest()}")
        known = {f"io.imageyard.{label}": value for label, value in labels.items()}
        kept = digest if self.image_store == "containerd" else None
        self.loaded[name] = LoadedImage(digest, kept, (name,), known, platform, 1000, "2026-01-01T00:00:00Z")
        return self.loaded[name]

    def inspect(self, reference: str) -> LoadedImage | None:
        """See Engine."""
        return self.loaded.get(reference)

    def tag(self, source: str, target: str) -> None:
        """See Engine."""
        if source not in self.loaded:
            raise NotFound(f"the engine has no image {source}")
        self.loaded[target] = replace(self.loaded[source], tags=(target,))

    def untag(self, reference: str) -> None:
        """See Engine."""
        if reference in self.held:
            raise EnvironmentLacks("a container uses it")
        self.loaded.pop(reference, None)

    def tags(self, repository: str) -> list[str]:
        """See Engine."""
        return [name.rpartition(":")[2] for name in self.loaded if name.startswith(f"{repository}:")]

    def images(self, label: str) -> list[LoadedImage]:
        """See Engine."""
        return list(self.loaded.values())

    def containers(self, label: str) -> list[Container]:
        """See Engine; all have ended."""
        return [Container(name, name, "image", "exited", run) for name, run in self.runs.items()]

    def remove(self, name: str) -> None:
        """See Engine."""
        del self.runs[name]
