"""What a run writes of a row, remembers of its last build, finds in its checks, and sweeps of runs that died."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.errors import BuildFailed, CheckFailed, EnvironmentLacks
from imageyard.records import Finding
from imageyard.run import findings, last_build, leftovers
from imageyard.run.row_run import RowRun
from support.building.checkout import Workplace, scene_of
from support.engine.memory import MemoryEngine

BASE = "linux-base"
DEAD = "20250101T000000.000Z-dead"


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def work(tmp_path: Path, engine: MemoryEngine) -> Workplace:
    return scene_of(tmp_path, engine=engine)


def written(work: Workplace) -> dict[str, object]:
    return json.loads((work.services.run.folder / "rows" / f"{BASE}.amd64.json").read_bytes())  # type: ignore[no-any-return]


def test_a_record_is_on_disk_as_interrupted_only_after_it_begins(work: Workplace) -> None:
    run = RowRun(work.services, work.project.row(BASE, "amd64"), builder="local")
    assert not work.services.run.folder.exists()
    assert run.begin().is_open
    assert (written(work)["outcome"], written(work)["code"]) == ("interrupted", 130)
    run.update(why="a test")
    assert written(work)["why"] == ""
    run.fail("failed", BuildFailed("RUN x failed"))
    assert not run.is_open
    assert {key: written(work)[key] for key in ("outcome", "code", "headline", "why")} == {
        "outcome": "failed",
        "code": 5,
        "headline": "RUN x failed",
        "why": "a test",
    }
    assert work.services.run.failure_of(BASE, "amd64") == run.record
    assert work.services.run.failure_of(BASE, "arm64") is None


def test_findings_are_in_the_record_and_a_bad_one_is_an_error(work: Workplace) -> None:
    run = work.row(BASE).run
    good = Finding("gcc", ok=True, expected="12", actual="12.2")
    bad = Finding("python", ok=False, expected="3.11", actual="3.12", why="ran: python", output=("Python 3.12",))
    findings.require_passed(run, [good], "Dockerfile")
    with pytest.raises(CheckFailed) as one:
        findings.require_passed(run, [good, bad], "Dockerfile")
    assert (one.value.headline, one.value.doing) == (bad.headline, "checking linux-base amd64; it gets no tag")
    assert one.value.detail == (bad.headline, "    ran: python", "    Python 3.12")
    assert run.record.findings == (good, bad)
    with pytest.raises(CheckFailed, match="2 checks failed, first"):
        findings.require_passed(run, [bad, bad], "Dockerfile")


def test_a_build_says_why_it_is_needed(work: Workplace) -> None:
    project, facts = work.project, work.facts(BASE)
    assert last_build.reason(project, facts.row, facts.recipe, forced=True) == "forced"
    assert last_build.reason(project, facts.row, facts.recipe, forced=False, place="at x/y") == "not at x/y"
    last_build.keep(project, facts.row, replace(facts.recipe, args={"A": "1"}))
    assert "A" in last_build.reason(project, facts.row, facts.recipe, forced=False)
    last_build.keep(project, facts.row, facts.recipe)
    kept = last_build.last(project, facts.row)
    assert kept is not None
    assert kept.canonical() == facts.recipe.canonical()
    assert last_build.reason(project, facts.row, facts.recipe, forced=False) == "not in the engine"
    assert last_build.commit(project) == {"commit": None, "dirty": True}


def test_what_dead_runs_left_is_swept_once_and_what_lives_stays(work: Workplace, engine: MemoryEngine) -> None:
    rows = work.project.state / "runs" / DEAD / "rows" / "imageyard-abc"
    rows.mkdir(parents=True)
    facts = work.facts(BASE)
    ours = leftovers.unchecked(work.project, work.services, facts.row, facts.recipe)
    dead = str(ours).replace(work.services.run.id, DEAD)
    work.row(BASE)  # the run holds its folder from now on
    for name in (str(ours), dead):
        engine.load(name)
    engine.runs = {"imageyard-1": DEAD}
    leftovers.dead_runs(work.project, work.services, engine)  # type: ignore[arg-type]
    assert (set(engine.loaded), engine.runs, rows.exists()) == ({str(ours)}, {}, False)
    engine.load(dead)
    leftovers.dead_runs(work.project, work.services, engine)  # type: ignore[arg-type]
    assert dead in engine.loaded, "once in a process"

    leftovers.this_run(work.project, work.services, engine)  # type: ignore[arg-type]
    assert str(ours) not in engine.loaded


def test_what_resists_is_told_and_nothing_fails(
    work: Workplace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    engine = MemoryEngine()

    def refuse(repository: str) -> list[str]:
        raise EnvironmentLacks("the engine is busy")

    engine.tags = refuse  # type: ignore[method-assign]
    work = scene_of(tmp_path, engine=engine)
    leftovers.dead_runs(work.project, work.services, engine)  # type: ignore[arg-type]
    assert "what a dead run left stays: the engine is busy; to try again: inv clean" in capsys.readouterr().err


def test_a_run_that_touched_no_row_ends_with_zero_and_leaves_nothing(work: Workplace) -> None:
    assert leftovers.finish(work.project, work.services) == 0
    assert not work.services.run.folder.exists()
    work.row(BASE)
    assert leftovers.finish(work.project, work.services) == 130
