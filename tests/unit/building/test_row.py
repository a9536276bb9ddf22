"""The five steps of an image's rows, with a builder and a place in memory: what goes on, what ends, what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from imageyard.building import table
from imageyard.building.builder import Builder, Unreached
from imageyard.building.row import BuiltRows, build_row, build_together
from imageyard.building.rows import build_rows
from imageyard.catalogue.model import Row
from imageyard.errors import (
    Blocked,
    BuildFailed,
    ConfigurationError,
    Denied,
    FailedBefore,
    ImageyardError,
    PolicyRefused,
    Transient,
)
from imageyard.plan.decision import Decision
from imageyard.project.options import BuildOptions
from imageyard.project.project import load_project
from imageyard.project.recipes import recipes_of
from imageyard.ran import Ended, NotStarted, TimedOut
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.building.scripted import ScriptedBuilder, ScriptedPlace, maker

LEAF, MIDDLE, TWO, BASE = "linux-leaf", "linux-middle-one", "linux-middle-two", "linux-base"


@dataclass
class Scene:
    """A checkout, and the builder and the place that stand for the local ones."""

    work: Workplace
    builder: ScriptedBuilder
    place: ScriptedPlace

    def row(self, name: str, arch: str = "amd64") -> Row:
        return self.work.project.row(name, arch)

    def tag(self, name: str, arch: str = "amd64") -> str:
        return self.work.recipes.tag(self.row(name, arch))

    def build(self, name: str, options: BuildOptions | None = None, arches: Sequence[str] = ("amd64",)) -> BuiltRows:
        rows = [self.row(name, arch) for arch in arches]
        work = self.work
        return build_together(work.project, work.recipes, work.services, rows, options or BuildOptions())

    def names_built(self) -> list[str]:
        return [title.split()[0] for titles in self.builder.builds for title in titles]

    def record(self, name: str, arch: str = "amd64") -> dict[str, Any]:
        path = self.work.services.run.folder / "rows" / f"{name}.{arch}.json"
        return cast("dict[str, Any]", json.loads(path.read_bytes()))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.delenv("REMOTE_BUILDKIT", raising=False)
    builder, place = ScriptedBuilder(), ScriptedPlace()
    monkeypatch.setitem(table.BUILDERS, "local", table.BuilderKind(maker(builder, place)))  # type: ignore[arg-type]
    yield Scene(scene_of(tmp_path), builder, place)
    assert builder.held == set(), "an image kept its temporary name"


def test_parents_are_built_first_and_their_references_are_handed_on(scene: Scene) -> None:
    built = scene.build(LEAF)

    assert (built.errors, built.failed) == ((), {})
    assert scene.names_built() == [BASE, MIDDLE, LEAF]
    assert scene.builder.parents["linux-leaf amd64"] == {MIDDLE: f"place.test/ci/image:{scene.tag(MIDDLE)}"}
    assert scene.place.tags == {scene.tag(name) for name in (BASE, MIDDLE, LEAF)}
    assert {name: scene.record(name)["outcome"] for name in (BASE, MIDDLE, LEAF)} == dict.fromkeys(
        (BASE, MIDDLE, LEAF), "built"
    )
    assert scene.record(LEAF)["tag"] == scene.tag(LEAF)


def test_what_is_there_is_skipped_and_nothing_is_asked_of_its_parents(scene: Scene) -> None:
    scene.place.tags = {scene.tag(LEAF)}
    record, _ = build_row(scene.work.project, scene.work.recipes, scene.work.services, scene.row(LEAF))
    assert (record.outcome, record.why, record.code) == ("skipped", "in memory", 0)
    assert (scene.builder.builds, scene.place.asked) == ([], ["linux-leaf amd64"])


def test_what_another_process_built_while_the_lock_was_waited_for_is_skipped(scene: Scene) -> None:
    scene.place.appears = {BASE}
    built = scene.build(BASE)
    assert [record.outcome for record in built.records] == ["skipped"]
    assert (scene.builder.builds, scene.place.asked) == ([], ["linux-base amd64"] * 2)


def test_force_is_for_the_row_that_was_named_and_not_for_its_parents(scene: Scene) -> None:
    scene.place.tags = {scene.tag(name) for name in (BASE, MIDDLE, LEAF)}
    scene.build(LEAF, BuildOptions(force=True))
    assert scene.names_built() == [LEAF]
    assert scene.record(LEAF)["forced"] is True


FAILED = BuildFailed("RUN make ended with exit code 2")


@pytest.mark.parametrize(
    ("fails", "row", "headline"),
    [
        (MIDDLE, LEAF, f"its parent {MIDDLE} failed"),
        (BASE, MIDDLE, f"its parent {BASE} failed"),
        (BASE, LEAF, f"its ancestor {BASE} failed"),
    ],
)
def test_a_row_is_blocked_by_the_ancestor_that_failed(scene: Scene, fails: str, row: str, headline: str) -> None:
    scene.builder.fails[fails] = FAILED
    built = scene.build(row)

    (error,) = built.errors
    assert isinstance(error, Blocked)
    assert (error.headline, error.by, error.cause) == (headline, fails, FAILED)
    assert (scene.record(row)["outcome"], scene.record(row)["code"]) == ("blocked", 5)
    assert (scene.record(fails)["outcome"], scene.record(fails)["code"]) == ("failed", 5)
    assert scene.place.tags.isdisjoint({scene.tag(row), scene.tag(fails)})


def test_what_failed_in_this_run_is_not_tried_again(scene: Scene) -> None:
    """Its siblings may be built by other processes of the run: what they know of it is its record."""
    scene.builder.fails[BASE] = FAILED
    scene.build(MIDDLE)
    (error,) = scene.build(TWO).errors
    assert isinstance(error, Blocked)
    assert (error.by, scene.record(TWO)["code"]) == (BASE, 5)
    (error,) = scene.build(LEAF).errors
    assert error.headline == f"its ancestor {BASE} failed"
    (error,) = scene.build(BASE).errors
    assert isinstance(error, FailedBefore)
    assert error.doing == "building linux-base amd64, which failed in this run"
    assert scene.names_built() == [BASE]
    assert scene.record(BASE)["outcome"] == "failed"


def test_one_architecture_that_fails_stops_no_other(scene: Scene) -> None:
    scene.builder.together = True
    scene.place.tags = {scene.tag(BASE, "arm64")}
    scene.builder.fails[BASE] = FAILED
    built = scene.build(MIDDLE, arches=("amd64", "arm64"))
    assert list(built.failed) == [(MIDDLE, "amd64")]
    assert [record.outcome for record in built.records] == ["blocked", "built"]
    assert scene.builder.builds == [("linux-base amd64",), ("linux-middle-one arm64",)]


def test_rows_that_one_build_makes_fail_together_and_are_published_one_by_one(scene: Scene) -> None:
    scene.builder.together = True
    scene.builder.fails[BASE] = FAILED
    built = scene.build(BASE, arches=("amd64", "arm64"))
    assert built.errors == (FAILED,)
    assert [record.code for record in built.records] == [5, 5]


def test_a_failed_check_leaves_no_tag(scene: Scene) -> None:
    scene.builder.fails_checks = {BASE}
    built = scene.build(BASE)
    (error,) = built.errors
    assert error.headline == "word: expected 12, found 13"
    record = scene.record(BASE)
    assert (record["outcome"], record["code"], len(record["findings"])) == ("check failed", 6, 1)
    assert scene.place.tags == set()


def test_a_builder_that_runs_no_checks_has_it_said_in_the_table(scene: Scene) -> None:
    scene.builder.unchecked = "built at a test"
    built = scene.build(BASE)
    assert built.records[0].remarks == ("not checked: built at a test",)
    assert built.records[0].outcome == "built"


WITH_FACTS = CATALOGUE.replace("base: {", "base: {facts: {words: {run: echo b a}, python: {run: pip list}}, ").replace(
    "middle: {", "middle: {facts: {python: {run: pip freeze}}, "
)


def with_facts(scene: Scene) -> Scene:
    (scene.work.project.top / "images.yml").write_text(WITH_FACTS)
    project = load_project(scene.work.project)
    return replace(scene, work=replace(scene.work, project=project, recipes=recipes_of(project)))


def test_facts_are_kept_and_those_of_parents_are_taken_too(scene: Scene) -> None:
    tags = {name: scene.tag(name) for name in (BASE, MIDDLE)}
    scene = with_facts(scene)
    assert tags == {name: scene.tag(name) for name in tags}, "facts are no part of the recipe"
    assert scene.build(MIDDLE).errors == ()
    assert scene.record(BASE)["facts"] == {"words": ["echo b a"], "python": ["pip list"]}
    assert scene.record(MIDDLE)["facts"] == {"words": ["echo b a"], "python": ["pip freeze"]}
    scene.build(MIDDLE)
    assert scene.record(MIDDLE)["facts"], "a row that is there is skipped, and its record stays"
    rows = [scene.work.project.row(name, "amd64") for name in (BASE, MIDDLE)]
    assert build_rows(scene.work.project, scene.work.recipes, scene.work.services, rows, BuildOptions()) == 0
    result = json.loads((scene.work.project.state / "result.json").read_bytes())
    assert [row["facts"] for row in result["rows"]] == [{}, {}], "what workflows hand around stays small"


@pytest.mark.parametrize(
    ("facts", "remarks", "kept"),
    [
        ({"python": Ended(127, "", "")}, ("no fact python: no such program (exit status 127)",), ["words"]),
        ({"python": Ended(137, "a")}, ("no fact python: exit status 137 (signal 9)",), ["words"]),
        ({"python": TimedOut(300)}, ("no fact python: no answer within 300 s",), ["words"]),
        ({"python": NotStarted("no\nrunc")}, ("no fact python: the container did not start (no runc)",), ["words"]),
        ({"python": Ended(0, "a", clipped=True)}, ("no fact python: the builder cut its output",), ["words"]),
        ({"words": Ended(0, "x" * 300_000)},
         ("no fact words: 300.0 kB do not fit in the 262.1 kB of a row",), ["python"]),
        (Transient("the worker was lost"), ("no facts: the worker was lost",), []),
    ],
)  # fmt: skip
def test_a_fact_that_cannot_be_kept_is_a_remark_and_never_a_failed_row(
    scene: Scene, facts: Any, remarks: tuple[str, ...], kept: list[str]
) -> None:
    scene = with_facts(scene)
    scene.builder.facts = facts
    built = scene.build(BASE)
    (record,) = built.records
    assert (built.errors, record.outcome, record.remarks, list(record.facts)) == ((), "built", remarks, kept)


def test_facts_are_taken_where_checks_run_and_after_they_passed(scene: Scene) -> None:
    scene = with_facts(scene)
    scene.builder.unchecked = "built at a test"
    (record,) = scene.build(BASE).records
    assert (record.remarks, record.facts) == (("not checked: built at a test", "no facts: built at a test"), {})
    scene.builder.unchecked, scene.builder.fails_checks = "", {MIDDLE}
    (record,) = scene.build(MIDDLE).records
    assert (record.outcome, record.facts) == ("check failed", {})


DENIED = Denied("the registry refused us")


@pytest.mark.parametrize(
    ("where", "what", "error", "outcome", "code"),
    [
        ("place", f"prepare {BASE}", PolicyRefused("not pinned"), "refused", 10),
        ("place", f"find {BASE}", DENIED, "blocked", 8),
        ("place", f"write {BASE}", PolicyRefused("tags do not move"), "refused", 10),
        ("place", f"publish {BASE}", Transient("the registry did not answer"), "blocked", 9),
        ("builder", f"support {BASE}", ConfigurationError("of a lane"), "failed", 2),
        ("builder", "groups", DENIED, "blocked", 8),
        ("builder", BASE, Transient("the worker was lost"), "blocked", 9),
    ],
)
def test_each_step_ends_a_row_with_its_error(
    scene: Scene, where: str, what: str, error: ImageyardError, outcome: str, code: int
) -> None:
    (scene.place.refuses if where == "place" else scene.builder.fails)[what] = error
    built = scene.build(BASE)
    assert built.errors == (error,)
    assert built.failed == {(BASE, "amd64"): error}
    assert (scene.record(BASE)["outcome"], scene.record(BASE)["code"]) == (outcome, code)
    assert scene.place.tags == set()


def test_an_expected_tag_is_that_of_the_run_or_of_the_content(scene: Scene) -> None:
    weekly = Decision("trusted", "schedule", "a test", tags="weekly", day="20261127")
    for expected in (scene.tag(BASE), f"{BASE}-weekly-20261127-amd64"):
        scene.place.tags.clear()
        assert scene.build(BASE, BuildOptions(expect=expected, decision=weekly)).errors == ()
    assert scene.place.tags == {f"{BASE}-weekly-20261127-amd64"}

    (error,) = scene.build(BASE, BuildOptions(expect="another")).errors
    assert isinstance(error, PolicyRefused)
    assert error.headline == f"the tag is {scene.tag(BASE)}, not another"
    assert scene.place.tags == {f"{BASE}-weekly-20261127-amd64"}


def test_a_builder_that_cannot_be_reached_has_another_build_each_row(scene: Scene) -> None:
    other, error = ScriptedBuilder(fails={}), Transient("nobody answers")
    scene.builder.together = True
    scene.builder.unreached = Unreached(error, cast("Builder", other))
    built = scene.build(BASE, arches=("amd64", "arm64"))
    assert built.errors == ()
    assert scene.builder.builds == [("linux-base amd64", "linux-base arm64")]
    assert other.builds == [("linux-base amd64",), ("linux-base arm64",)]
    assert other.held == set()


def test_one_row_that_the_other_builder_refuses_stops_no_other(scene: Scene) -> None:
    refused = ConfigurationError("no engine does that")
    other = ScriptedBuilder(fails={f"support {BASE}": refused})
    scene.builder.unreached = Unreached(Transient("nobody answers"), cast("Builder", other))
    assert scene.build(BASE, arches=("amd64", "arm64")).errors == (refused, refused)


def test_a_builder_that_cannot_be_reached_and_has_no_other_fails_its_rows(scene: Scene) -> None:
    error = Transient("nobody answers")
    scene.builder.unreached = Unreached(error)
    assert scene.build(BASE).errors == (error,)
    assert scene.record(BASE)["code"] == 9


def test_a_job_of_a_plan_builds_no_parent(scene: Scene) -> None:
    decision = Decision("trusted", "push", "a test", push="trusted", reads=("trusted",))
    options = BuildOptions(decision=decision, planned=True)
    (error,) = scene.build(MIDDLE, options).errors
    assert isinstance(error, Blocked)
    assert error.headline == f"its parent {BASE} failed: {scene.tag(BASE)} is not in memory"
    assert (scene.record(MIDDLE)["code"], scene.builder.builds) == (7, [])

    scene.place.tags = {scene.tag(BASE)}
    assert scene.build(TWO, options).errors == ()
    assert scene.names_built() == [TWO]


def test_an_interrupted_row_stays_interrupted_on_disk(scene: Scene) -> None:
    scene.builder.fails[BASE] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        scene.build(MIDDLE)
    for name in (BASE, MIDDLE):
        assert (scene.record(name)["outcome"], scene.record(name)["code"]) == ("interrupted", 130)
    scene.builder.fails.clear()
    assert scene.build(MIDDLE).errors == ()


def test_many_rows_end_with_the_worst_code(scene: Scene) -> None:
    scene.builder.fails[MIDDLE] = FAILED
    rows = [scene.row(name) for name in (BASE, MIDDLE, TWO, LEAF)]
    work = scene.work
    assert build_rows(work.project, work.recipes, work.services, rows, BuildOptions()) == 5
    result = json.loads((work.project.state / "result.json").read_bytes())
    outcomes = {row["image"]: row["outcome"] for row in result["rows"]}
    assert outcomes == {BASE: "built", MIDDLE: "failed", TWO: "built", LEAF: "blocked"}
    assert result["headline"] == f"{MIDDLE} amd64: {FAILED.headline}"
    with pytest.raises(PolicyRefused, match="--expect names 1 tag, and 4 rows are selected"):
        build_rows(work.project, work.recipes, work.services, rows, BuildOptions(expect="x"))
