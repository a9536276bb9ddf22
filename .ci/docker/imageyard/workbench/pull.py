"""Bring an image from a registry into the engine, proven before and after, with an account or without."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from imageyard import daemon, process
from imageyard.errors import EnvironmentLacks, PolicyRefused
from imageyard.names import Reference, platform_of
from imageyard.project.labels import INPUTS_LABEL
from imageyard.publishing.verify_published import prove

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.console import Story
    from imageyard.engine import Engine
    from imageyard.registry.client import Client

__all__ = ["pull"]


def pull(
    engine: Engine, story: Story, client: Client, place: Reference, row: Row, inputs: str, *, account: bool
) -> str:
    """Pull a row that `place` (with its tag) names; returns the name that it has in the engine then, `place` itself.

    It is pulled by the digest that was proven, so that the tag may move meanwhile. `account`: with the credentials of
    the Docker configuration; without them the engine is handed none, as if nobody had ever logged in.
    Raises NotFound, Denied or Transient as reading does, PolicyRefused for another image, EnvironmentLacks where the
    engine cannot pull.
    """
    platform = platform_of(row.arch)
    digest = prove(client, place, {platform: inputs}).raw.digest
    exact = str(place.with_digest(digest))
    story.step(f"{row.name} {row.arch}: pulling {place}")
    with tempfile.TemporaryDirectory(prefix="imageyard-docker-") as empty:
        env = dict(engine.env)
        socket = daemon.socket_of(engine.env)
        if not account and socket is not None:  # of a context elsewhere nobody knows the address but its configuration
            env |= {"DOCKER_CONFIG": empty, "DOCKER_CONTEXT": "", "DOCKER_HOST": f"unix://{socket}"}
        output = bytearray()
        code = process.stream(
            [engine.program, "pull", "--platform", platform, exact], _told(output, story.detail), env=env
        )
    if code:
        said = output.decode(errors="replace").splitlines()
        raise EnvironmentLacks(f"the engine cannot pull {exact}", detail=said[-5:], hint="inv doctor")
    found = engine.inspect(exact)
    if found is None or (found.labels.get(INPUTS_LABEL), found.platform) != (inputs, platform):
        raise PolicyRefused(f"what the engine pulled as {exact} is not {row.name} for {platform}")
    engine.tag(exact, str(place))
    return str(place)


def _told(output: bytearray, tell: Callable[[str], None]) -> Callable[[bytes], None]:
    """Keep what docker says, and tell of each layer when it is there."""

    def take(chunk: bytes) -> None:
        before = output.count(b"\n")
        output.extend(chunk)
        for line in output.splitlines()[before : output.count(b"\n")]:
            if line.endswith(b"Pull complete"):
                tell(line.decode(errors="replace"))

    return take
