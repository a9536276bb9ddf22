"""A published image on its way into the engine: by the digest that was proven, and nothing else under its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import EnvironmentLacks, ImageyardError, NotFound, PolicyRefused
from imageyard.workbench.pull import pull
from support.building.checkout import Workplace, scene_of
from support.engine.memory import MemoryEngine
from support.registry.built import put_built
from support.registry.memory import MemoryRegistry

BASE = "linux-base"


class Scene:
    """A registry that has a row, and an engine whose `docker pull` does as it is told."""

    def __init__(self, top: Path) -> None:
        self.registry, self.engine = MemoryRegistry(), MemoryEngine()
        self.client = self.registry.client()
        self.work: Workplace = scene_of(top, self.client, engine=self.engine)
        self.facts = self.work.facts(BASE)
        self.place = self.registry.reference("ci/image", self.facts.tag)
        self.log = top / "asked"

    def publish(self, **forged: str) -> str:
        raw = put_built(self.client, self.place, self.facts, **forged)
        self.client.put(self.place, raw.body, raw.media_type)
        return str(self.place.with_digest(raw.digest))

    def pull(self, top: Path, code: int = 0, *, account: bool = True) -> str:
        program = top / "docker"
        program.write_text(f'#!/bin/sh\necho "$@" > {self.log}\necho "1: Pull complete"\nexit {code}\n')
        program.chmod(0o755)
        self.engine.program = str(program)
        around: Any = self.work.services
        inputs, row = self.facts.recipe.inputs, self.facts.row
        return pull(around.engine(), around.reporter, self.client, self.place, row, inputs, account=account)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("account", [True, False])
def test_an_image_is_pulled_by_the_digest_that_was_proven(scene: Scene, tmp_path: Path, account: bool) -> None:
    exact = scene.publish()
    scene.engine.load(exact, inputs=scene.facts.recipe.inputs)
    assert scene.pull(tmp_path, account=account) == str(scene.place)
    assert scene.log.read_text() == f"pull --platform linux/amd64 {exact}\n"
    assert str(scene.place) in scene.engine.loaded


def test_another_image_gets_no_name(scene: Scene, tmp_path: Path) -> None:
    exact = scene.publish()
    scene.engine.load(exact, inputs="0" * 64)
    with pytest.raises(PolicyRefused, match="is not linux-base for linux/amd64"):
        scene.pull(tmp_path)
    assert str(scene.place) not in scene.engine.loaded


def test_what_the_registry_has_of_another_recipe_is_not_pulled(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        scene.pull(tmp_path)
    scene.publish(inputs="0" * 64)
    with pytest.raises(PolicyRefused, match="is not what it should be"):
        scene.pull(tmp_path)
    assert not scene.log.exists()


def test_an_engine_that_cannot_pull_is_told_with_its_last_words(scene: Scene, tmp_path: Path) -> None:
    scene.publish()
    with pytest.raises(EnvironmentLacks, match="the engine cannot pull") as caught:
        scene.pull(tmp_path, code=1)
    assert isinstance(caught.value, ImageyardError)
    assert caught.value.detail == ("1: Pull complete",)
