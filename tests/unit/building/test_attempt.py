"""One build of a row: what is asked of any builder, how often it is run, and the error of each outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.board import Board
from imageyard.builders.request import (
    BuildInterrupted,
    BuildRequest,
    BuildWarning,
    Built,
    Failed,
    Lost,
    Outcome,
    Phase,
    RegistryFailed,
    Steps,
    Unreachable,
)
from imageyard.building import attempt
from imageyard.errors import BuildFailed, Denied, ImageyardError, Transient
from imageyard.plan.decision import Decision
from imageyard.project.options import BuildOptions
from support.building.checkout import CATALOGUE, Workplace, scene_of

BASE, LEAF = "linux-base", "linux-leaf"
PIN = f"sha256:{'1' * 64}"
OK = Built(None, None, Steps(4, 1))
BROKEN = Failed("[2/3] RUN make", "Dockerfile", 2, 7, ("cc: no input files",), hint="look", steps=Steps(3, 2))


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return scene_of(tmp_path)


def start_with(outcomes: Iterator[Outcome], seen: list[list[str]]) -> attempt.StartBuild:
    """A builder that reads its whole context, writes its log, and ends as it is told."""

    def start(request: BuildRequest, board: Board, raw: Path) -> Outcome:
        seen.append(sorted(str(path.relative_to(request.context)) for path in request.context.rglob("*")))
        raw.write_text(f"{len(seen)}\n")
        return next(outcomes)

    return start


@pytest.mark.parametrize(
    ("outcomes", "runs"),
    [
        ([OK], 1),
        ([BROKEN, OK], 2),
        ([BROKEN, BROKEN, BROKEN, OK], 3),
        ([RegistryFailed("resolve", "no answer"), OK], 1),
        ([Lost("gone"), OK], 2),
        ([Lost("gone"), Lost("gone"), Lost("gone again"), OK], 3),
        ([Lost("gone"), BROKEN, OK], 3),
        ([Lost("gone"), RegistryFailed("export", "502"), OK], 2),
        ([Unreachable("nobody"), OK], 1),
        ([BuildInterrupted(), OK], 1),
    ],
)
def test_a_failed_step_and_a_lost_builder_are_tried_again_and_nothing_else(
    tmp_path: Path, outcomes: list[Outcome], runs: int
) -> None:
    catalogue = CATALOGUE.replace("base: {dockerfile", "base: {attempts: 3, dockerfile")
    workplace = scene_of(tmp_path, **{"images.yml": catalogue})
    row, seen = workplace.row(BASE), list[list[str]]()
    request = attempt.request(workplace.project, BuildOptions(), row, tmp_path / "staging")
    outcome = attempt.run(workplace.services, [row], request, start_with(iter(outcomes), seen))

    assert outcome == outcomes[runs - 1]
    assert row.run.record.attempts == runs
    assert seen == [["word"]] * runs, "each attempt gets the whole context"
    logs = sorted(path.read_text() for path in (workplace.services.run.folder / "rows").glob(f"{BASE}.amd64*.rawjson"))
    assert logs == [f"{at + 1}\n" for at in range(runs)], "the log of each attempt is kept"


@pytest.mark.parametrize(("first", "why"), [(Lost("cut"), "cut"), (BROKEN, "RUN make ended with exit code 7")])
def test_a_build_that_began_is_lost_where_nobody_answers_any_more(
    tmp_path: Path, first: Outcome, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not as if nothing had begun: then another kind of builder would take it over."""
    workplace = scene_of(tmp_path, **{"images.yml": CATALOGUE.replace("base: {dock", "base: {attempts: 3, dock")})
    row, seen = workplace.row(BASE), list[list[str]]()
    request = attempt.request(workplace.project, BuildOptions(), row, tmp_path / "staging")
    outcomes: list[Outcome] = [first, Unreachable("no worker answered"), OK]
    outcome = attempt.run(workplace.services, [row], request, start_with(iter(outcomes), seen))
    assert outcome == Lost(f"{why}; after that no worker answered")
    assert (row.run.record.attempts, len(seen)) == (2, 2)
    came = "was lost with its builder" if isinstance(first, Lost) else "failed"
    words = f"attempt 1 of 3 {came}: {why}; it is run again with what was built before and is still there"
    assert words in capsys.readouterr().err


WARNED = Built(None, None, warnings=(BuildWarning("an odd thing", "Dockerfile", 1),), cache_problems=("cache: 403",))


def test_a_build_that_made_an_image_has_its_warnings_told(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [workplace.row(BASE)]
    workplace = scene_of(workplace.project.top)  # tells what is written to the stream of this moment
    assert attempt.require_image(workplace.project, workplace.services, rows, WARNED) is WARNED
    err = capsys.readouterr().err
    assert "an odd thing" in err
    assert "linux-base amd64: cache: 403" in err


@pytest.mark.parametrize(
    ("arg", "told"), [("${BASE}", False), ("$BASE", False), ("debian:${TAG}", True), ("${BASE}:${TAG}", True)]
)
def test_a_default_that_the_catalogue_always_gives_is_not_missed(
    tmp_path: Path, arg: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace = scene_of(tmp_path)
    words = f"InvalidDefaultArgInFrom: Default value for ARG {arg} results in empty or invalid base image name"
    row = workplace.row(LEAF)
    args = {**row.facts.recipe.build_args, "BASE": "linux-middle"}
    row = replace(row, facts=replace(row.facts, recipe=replace(row.facts.recipe, build_args=args)))
    attempt.require_image(
        workplace.project, workplace.services, [row], Built(None, None, warnings=(BuildWarning(words),))
    )
    assert (words in capsys.readouterr().err) is told


@pytest.mark.parametrize(
    ("outcome", "kind", "headline", "hint"),
    [
        (BROKEN, BuildFailed, "RUN make ended with exit code 7", "nox -s test_dockerfile -- Dockerfile --shell"),
        (Failed("x", message="bad flag"), BuildFailed, "bad flag", "nox -s test_dockerfile -- Dockerfile --shell"),
        (RegistryFailed("export", "401", denied=True), Denied, "401", "inv login"),
        (RegistryFailed("export", "502"), Transient, "502", "run it again: the registry, not the build, failed"),
        (BuildInterrupted(), Transient, "the build was stopped from elsewhere", "run it again"),
    ],
)
def test_each_outcome_is_an_error_with_what_to_do(
    workplace: Workplace, outcome: attempt.Ended, kind: type[ImageyardError], headline: str, hint: str
) -> None:
    rows = [workplace.row(BASE), workplace.row(BASE, "arm64")]
    with pytest.raises(kind) as caught:
        attempt.require_image(workplace.project, workplace.services, rows, outcome)
    error = caught.value
    assert (error.headline, error.doing) == (headline, "building linux-base amd64 arm64")
    assert hint in "\n".join(error.hint)


@pytest.mark.parametrize(
    ("phase", "hints"),
    [
        ("run", ["nox -s test_dockerfile -- Dockerfile --shell    (look at what the step found)"]),
        (
            "resolve",
            [
                "see that its name is right and that the registry has it",
                "inv lock --refresh    (where it moved)",
            ],
        ),
        ("export", []),
        ("cache", []),
        ("other", []),
    ],
)
def test_only_what_a_step_of_the_dockerfile_found_can_be_looked_at(
    workplace: Workplace, phase: Phase, hints: list[str]
) -> None:
    failed = Failed("[internal] load metadata for r.test/a:1", message="r.test/a:1: not found", phase=phase)
    with pytest.raises(BuildFailed) as caught:
        attempt.require_image(workplace.project, workplace.services, [workplace.row(BASE)], failed)
    assert [hint for hint in caught.value.hint if hint] == hints


def test_a_failed_step_is_told_with_its_place_and_its_last_lines(workplace: Workplace) -> None:
    with pytest.raises(BuildFailed) as caught:
        attempt.require_image(workplace.project, workplace.services, [workplace.row(BASE)], BROKEN)
    assert (caught.value.at, caught.value.detail) == ("Dockerfile:2", ("cc: no input files",))
    assert caught.value.hint[0] == "look"


def test_the_records_of_all_rows_get_the_log_of_the_build(workplace: Workplace) -> None:
    rows = [workplace.row(BASE), workplace.row(BASE, "arm64")]
    with attempt.begin(workplace.project, workplace.services, rows) as staging:
        assert staging.is_dir()
        request = BuildRequest(staging, Path("Dockerfile"), "x")
        outcome = attempt.run(workplace.services, rows, request, start_with(iter([OK]), []))
    assert not staging.exists()
    assert outcome is OK
    for row in rows:
        assert row.run.record.log == "rows/linux-base.amd64.rawjson"
        assert (row.run.record.steps, row.run.record.cached) == (4, 1)


def test_the_request_says_all_that_the_recipe_says(workplace: Workplace, tmp_path: Path) -> None:
    row = workplace.row(LEAF, linux_middle_one="registry.test/ci/image@sha256:1")
    decision = Decision("branch", "pull_request", "a test", no_cache=True, pull=True)
    options = BuildOptions(extra=("--network=none",), decision=decision)
    request = attempt.request(workplace.project, options, row, tmp_path)
    assert (request.dockerfile.name, request.platform, request.args["N"]) == ("child.Dockerfile", "linux/amd64", "3")
    assert list(request.contexts.values()) == ["docker-image://registry.test/ci/image@sha256:1"]
    assert request.labels["io.imageyard.inputs"] == row.facts.recipe.inputs
    assert (request.no_cache, request.pull, request.extra) == (True, True, ("--network=none",))
    assert request.args["BUILDKIT_CACHE_MOUNT_NS"] == "branch"


@pytest.mark.parametrize(
    ("syntax", "lock", "given"),
    [
        ("", "", {}),
        ("# syntax=f.test/front:1\n", "", {}),
        ("# syntax=f.test/front:1\n", f"f.test/front:1@{PIN}\n", {"BUILDKIT_SYNTAX": f"f.test/front:1@{PIN}"}),
        (f"# syntax=f.test/front@{PIN}\n", "", {"BUILDKIT_SYNTAX": f"f.test/front@{PIN}"}),
    ],
)
def test_the_frontend_is_asked_for_by_the_digest_that_is_locked(
    tmp_path: Path, syntax: str, lock: str, given: dict[str, str]
) -> None:
    work = scene_of(tmp_path, **{"Dockerfile": f"{syntax}FROM scratch\nCOPY word /\n", "images.lock": lock})
    request = attempt.request(work.project, BuildOptions(), work.row(BASE), tmp_path)
    assert {name: value for name, value in request.args.items() if name == "BUILDKIT_SYNTAX"} == given


def test_a_frontend_that_the_catalogue_names_is_asked_for_by_digest_too(tmp_path: Path) -> None:
    named = CATALOGUE.replace(
        "{dockerfile: Dockerfile,", "{dockerfile: Dockerfile, args: {BUILDKIT_SYNTAX: f.test/front:1},"
    )
    other = "# syntax=f.test/other:1\nFROM scratch\nCOPY word /\n"
    lock = f"f.test/front:1@{PIN}\nf.test/other:1@sha256:{'2' * 64}\n"
    work = scene_of(tmp_path, **{"images.yml": named, "Dockerfile": other, "images.lock": lock})
    request = attempt.request(work.project, BuildOptions(), work.row(BASE), tmp_path)
    assert request.args["BUILDKIT_SYNTAX"] == f"f.test/front:1@{PIN}"


def test_a_base_of_which_nobody_has_asked_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = f"b.test/base:1@{PIN}\n"
    dockerfile = "FROM b.test/base:1 AS a\nCOPY word /\nFROM b.test/base:1\nCOPY --from=a /word /\n"
    for text, times in ((lock, 1), (f"{lock}{PIN} linux/amd64 {{}}\n", 0)):
        folder = tmp_path / str(times)
        work = scene_of(folder, **{"Dockerfile": dockerfile, "images.lock": text})
        with attempt.begin(work.project, work.services, [work.row(BASE)]):
            told = capsys.readouterr().err
        assert told.count("what ENV and ONBUILD of b.test/base:1 do is not known: inv lock") == times
        assert "not pinned" not in told
