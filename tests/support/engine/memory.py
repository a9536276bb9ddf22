"""An engine in memory for the logic above it: images by name, with labels, platform and digest. It runs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from imageyard.engine import Container, ImageStore, LoadedImage
from imageyard.errors import NotFound
from imageyard.names import Digest


@dataclass
class MemoryEngine:
    """Has the methods of `Engine` that building asks for."""

    image_store: ImageStore = "containerd"
    images: dict[str, LoadedImage] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = "28.5.2"
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
        self.images[name] = LoadedImage(digest, kept, (name,), known, platform, 1000, "2026-01-01T00:00:00Z")
        return self.images[name]

    def inspect(self, reference: str) -> LoadedImage | None:
        """See Engine."""
        return self.images.get(reference)

    def tag(self, source: str, target: str) -> None:
        """See Engine."""
        if source not in self.images:
            raise NotFound(f"the engine has no image {source}")
        self.images[target] = replace(self.images[source], tags=(target,))

    def untag(self, reference: str) -> None:
        """See Engine."""
        self.images.pop(reference, None)

    def tags(self, repository: str) -> list[str]:
        """See Engine."""
        return [name.rpartition(":")[2] for name in self.images if name.startswith(f"{repository}:")]

    def containers(self, label: str) -> list[Container]:
        """See Engine."""
        return []
