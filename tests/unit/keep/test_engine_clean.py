"""What `inv clean` keeps in an engine and what goes, each with its reason; and what is checked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imageyard.errors import CheckFailed, EnvironmentLacks, NotFound
from imageyard.keep.engine_clean import clean
from imageyard.queries import recheck
from imageyard.records import Finding
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.engine.memory import MemoryEngine

BASE, DEAD = "linux-base", "20250101T000000.000Z-dead"
MIRRORED = f"mirrors: [mirror.test/img]\n{CATALOGUE}"


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine(runs={"imageyard-1": DEAD})


@pytest.fixture
def work(tmp_path: Path, engine: MemoryEngine) -> Workplace:
    return scene_of(tmp_path, engine=engine, **{"images.yml": MIRRORED})


def names(work: Workplace) -> dict[str, str]:
    ours, tag = str(work.project.repository), work.facts(BASE).tag
    return {
        "current": f"{ours}:{tag}",
        "old": f"{ours}:{BASE}-{'0' * 20}",
        "mirrored": f"mirror.test/img:{BASE}-{'0' * 20}",
        "foreign": f"elsewhere.test/x:{tag}",
        "unknown": f"{ours}:by-hand",
        "dead": f"{ours}:unchecked-{'a' * 20}-{DEAD}",
        "living": f"{ours}:unchecked-{'a' * 20}-{work.services.run.id}",
    }


def fates(work: Workplace, capsys: pytest.CaptureFixture[str], **options: bool) -> dict[str, tuple[bool, str]]:
    clean(
        work.project, work.recipes, work.services, yes=False, everything=options.get("everything", False), as_json=True
    )
    by_name = {name: key for key, name in names(work).items()}
    listed = json.loads(capsys.readouterr().out)
    return {by_name.get(one["name"], one["name"]): (one["goes"], one["reason"]) for one in listed}


@pytest.mark.parametrize("everything", [False, True])
def test_each_image_has_a_fate_with_a_reason(
    tmp_path: Path, engine: MemoryEngine, capsys: pytest.CaptureFixture[str], everything: bool
) -> None:
    work = scene_of(tmp_path, engine=engine, **{"images.yml": MIRRORED})
    work.row(BASE)  # the run lives from now on
    for name in names(work).values():
        engine.load(name)
    assert fates(work, capsys, everything=everything) == {
        "current": (everything, "current"),
        "old": (True, "its inputs have moved on"),
        "mirrored": (True, "its inputs have moved on"),
        "foreign": (False, "another repository's"),
        "unknown": (False, "of no image in this catalogue"),
        "dead": (True, "left by a run that died"),
        "living": (False, "a run that lives"),
        "imageyard-1": (True, "of a run that died"),
    }
    assert set(engine.loaded) == set(names(work).values()), "nothing goes before it is asked for"


def test_what_is_held_is_told_at_the_end_and_the_rest_goes(work: Workplace, engine: MemoryEngine) -> None:
    for name in names(work).values():
        engine.load(name)
    engine.held = {names(work)["old"]}
    with pytest.raises(EnvironmentLacks, match="1 of 8 could not be removed"):
        clean(work.project, work.recipes, work.services, yes=True, everything=False, as_json=False)
    left = {key for key, name in names(work).items() if name in engine.loaded}
    assert left >= {"current", "old", "foreign", "unknown"}
    assert "mirrored" not in left
    assert engine.runs == {}


@pytest.mark.parametrize(
    ("ok", "there", "kind"), [(True, True, None), (False, True, CheckFailed), (True, False, NotFound)]
)
def test_checks_run_again_on_what_the_engine_has(
    work: Workplace,
    engine: MemoryEngine,
    monkeypatch: pytest.MonkeyPatch,
    ok: bool,
    there: bool,
    kind: type[Exception] | None,
) -> None:
    finding = Finding("word", ok=ok, expected="a", actual="a" if ok else "b")
    monkeypatch.setattr(recheck, "run_checks", lambda *args, **options: (finding,))
    if there:
        engine.load(names(work)["current"])
    rows = [work.facts(BASE).row]
    if kind is None:
        assert recheck.recheck(work.project, work.recipes, work.services, rows, as_json=False) is None
        return
    with pytest.raises(kind):
        recheck.recheck(work.project, work.recipes, work.services, rows, as_json=False)
