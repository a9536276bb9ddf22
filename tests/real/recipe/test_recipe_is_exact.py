"""A recipe says exactly what BuildKit tells apart: BuildKit itself is asked, for Dockerfiles that were edited.

Of an edit that says the same, every step is cached, the image's digest is the same, and so is the recipe. Of any other
edit by which BuildKit makes another image, the recipe is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.engine.private import PrivateEngine
from support.sealed.builds import Builds
from support.sealed.corpus import BUSYBOX, CASES, RECORDED, Case, recipe_of
from support.sealed.edits import rewritten, spoiled
from support.sealed.written import dockerfiles

pytestmark = pytest.mark.engine

PARTS = 4
"""So that workers share them."""
EVERY = [*CASES, *(case for case in RECORDED if b"RUN" not in case.dockerfile)]
BATCH = 20
ROUNDS = max(2, settings.default.max_examples // 95)
"""Batches that hypothesis writes, for each part: 2, which makes 160 Dockerfiles, and with `--soak` 21, or 1,680."""
EPOCH = "946684800"


@pytest.fixture
def builds(docker_engine: PrivateEngine, busybox_base: str, tmp_path: Path) -> Builds:
    assert busybox_base == BUSYBOX
    return Builds(docker_engine, tmp_path)


def timed(case: Case) -> Case:
    """The case with a fixed time, so that an image which is made twice has one digest."""
    return replace(case, args={**case.args, "SOURCE_DATE_EPOCH": EPOCH})


def hold(builds: Builds, cases: Sequence[Case]) -> tuple[int, int]:
    """Hold it for an edit of each kind; returns how many edits BuildKit did not and did see."""
    originals = [timed(case) for case in cases]
    same = [rewritten(case, Random(case.dockerfile)) for case in originals]
    other = [spoiled(case, Random(case.dockerfile)) or case for case in originals]
    images = builds.images("original", originals)
    unseen, seen = 0, 0
    for case, edited, image, again in zip(originals, same, images, builds.images("same", same), strict=True):
        recipe = recipe_of(case)
        if image is None or any(file.path in recipe.own_files for file in recipe.files):
            continue  # the text itself is in the image
        assert again is not None, edited
        assert again.digest == image.digest, edited
        assert recipe_of(edited).id == recipe.id, edited
        unseen += 1
    for case, edited, image, changed in zip(originals, other, images, builds.images("other", other), strict=True):
        if image is not None and changed is not None and changed.digest != image.digest:
            assert recipe_of(edited).id != recipe_of(case).id, (case, edited)
            seen += 1
    return unseen, seen


@pytest.mark.parametrize("part", range(PARTS))
def test_for_the_corpus_and_the_recorded_dockerfiles(part: int, builds: Builds) -> None:
    cases = EVERY[part::PARTS]
    unseen, seen = hold(builds, cases)

    assert unseen > 0.7 * len(cases)
    assert seen > 0.4 * len(cases)


@pytest.mark.parametrize("part", range(PARTS))
@settings(
    max_examples=ROUNDS,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(cases=st.lists(dockerfiles(), min_size=BATCH, max_size=BATCH))
def test_for_dockerfiles_that_nobody_wrote(
    part: int, cases: list[Case], builds: Builds, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hold(replace(builds, folder=tmp_path_factory.mktemp("written")), cases)


def test_each_step_of_what_says_the_same_is_cached(builds: Builds, soak: bool) -> None:
    for number, case in enumerate(map(timed, EVERY[:: 1 if soak else 15])):
        again = rewritten(case, Random(case.dockerfile))
        first, second = (builds.images(f"{number}-{what}", [each])[0] for what, each in (("a", case), ("b", again)))
        if first is not None and not any(file.path == "Dockerfile" for file in recipe_of(case).files):
            assert second == replace(first, built_anew=()), again


def test_these_are_enough() -> None:
    assert len(EVERY) + PARTS * 2 * BATCH >= 500
