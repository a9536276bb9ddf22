"""Services of a run for tests of flows: a client that the test hands in, and no engine unless it hands in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imageyard.ci.providers.table import provider_of
from imageyard.console import Story
from imageyard.engine import Engine
from imageyard.errors import EnvironmentLacks
from imageyard.registry.client import Client
from imageyard.run.services import Services
from imageyard.runs import Run


def services(client: Client | None = None, *, run: Run | None = None, engine: Any = None, **story: Any) -> Services:
    def find_engine() -> Engine:
        if engine is None:
            raise EnvironmentLacks("this test has no engine")
        found: Engine = engine
        return found

    def registry() -> Client:
        assert client is not None, "this test talks to no registry"
        return client

    return Services(
        Story(**story),
        run or Run(Path("/nowhere/.imageyard/runs/none"), owner=False),
        find_engine,
        registry,
        provider_of({}),
    )
