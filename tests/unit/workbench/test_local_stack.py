"""What the local stack is started for: the bases of this machine's rows that no lock pins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from imageyard.project.checkout import this_arch
from imageyard.workbench import local_stack
from support.building.checkout import scene_of


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(local_stack.local, "start", lambda story, bases, arch: seen.append(("start", bases, arch)))
    monkeypatch.setattr(local_stack.local, "status", lambda story: seen.append(("status",)))
    monkeypatch.setattr(local_stack.local, "stop", lambda story, purge: seen.append(("stop", purge)))
    return seen


@pytest.mark.parametrize(("base", "wanted"), [("debian:bookworm", ("debian:bookworm",)), ("scratch", ())])
def test_it_starts_with_the_bases_that_nothing_pins(
    tmp_path: Path, calls: list[tuple[Any, ...]], base: str, wanted: tuple[str, ...]
) -> None:
    work = scene_of(tmp_path, Dockerfile=f"FROM {base}\nCOPY word /\n")
    catalogue, story = work.project.catalogue, work.services.reporter
    local_stack.local_stack(catalogue, lambda: work.recipes, story, "start")
    assert calls == [("start", wanted, this_arch())]


def test_what_runs_is_told_and_stopped_without_reading_a_recipe(tmp_path: Path, calls: list[tuple[Any, ...]]) -> None:
    work = scene_of(tmp_path)

    def recipes() -> Any:
        raise AssertionError("no recipe is needed")

    for what in ("status", "stop"):
        local_stack.local_stack(work.project.catalogue, recipes, work.services.reporter, what, purge=True)  # type: ignore[arg-type]
    assert calls == [("status",), ("stop", True)]
