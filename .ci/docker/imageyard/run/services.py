"""Whom one run talks to: the person, the run's folder, the engine, the registries, the CI. Each is made once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from imageyard.ci.providers.base import Provider
from imageyard.ci.providers.table import provider_of
from imageyard.console import Story
from imageyard.engine import Engine
from imageyard.project.checkout import Checkout
from imageyard.runs import Run
from imageyard.stack.state import Folders

if TYPE_CHECKING:
    from imageyard.registry.client import Client

__all__ = ["Services", "begin"]


@dataclass(frozen=True)
class Services:
    """Whom one run talks to.

    `engine` looks for an engine at its first call and raises EnvironmentLacks where none answers; `registry` returns
    the one client of the run, for all registries. Both return the same object at each call. `provider` is the CI
    system, as the environment shows it.
    """

    reporter: Story
    run: Run
    engine: Callable[[], Engine]
    registry: Callable[[], Client]
    provider: Provider


def begin(checkout: Checkout, reporter: Story | None = None) -> Services:
    """Begin a run, or join the one that this process was started in. Nothing is asked, and nothing is on disk yet."""
    return Services(
        reporter or Story.detect(),
        Run.begin(checkout.top),
        cache(lambda: Engine.find(Folders.of_user().socket)),
        cache(_client),
        provider_of(os.environ),
    )


def _client() -> Client:
    from imageyard.registry.client import Client

    return Client()
