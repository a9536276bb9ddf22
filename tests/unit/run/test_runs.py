"""A run's directory: nothing before it is needed, one for all processes of a call, never half written, pruned."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.console import Story
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.records import Record, to_json
from imageyard.runs import KEPT, VARIABLE, Run, is_alive, now

START = Record("linux-trixie", "amd64", "interrupted", 130, "interrupted", started="2026-01-31T12:00:00.000+00:00")
BUILT = replace(START, outcome="built", code=0, headline="", tag="linux-trixie-0", seconds=3.0)
SKIPPED = replace(START, outcome="skipped", code=0, headline="", tag="linux-trixie-0", why="in the engine")
FAILED = replace(START, outcome="failed", code=5, headline="RUN false: exit code 1")


def closed(run: Run) -> dict[str, object]:
    """What is in `result.json` after the end of a run."""
    run.close(Story("plain", io.StringIO()))
    return result(run.folder.parents[2])


def result(top: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((top / ".imageyard" / "result.json").read_text())
    return found


def test_opening_and_closing_a_run_leaves_nothing(tmp_path: Path) -> None:
    """`nox -l` does no more than that."""
    shown = io.StringIO()
    assert Run.begin(tmp_path, {}).close(Story("plain", shown)) == 0
    assert (list(tmp_path.iterdir()), shown.getvalue()) == ([], "")


def test_a_call_and_its_children_share_a_run(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    run = Run.begin(tmp_path, environ)
    assert run.owner
    assert environ == {VARIABLE: f"{os.getpid()}:{run.folder}"}
    again = Run.begin(tmp_path, environ)
    assert (again.id, again.owner) == (run.id, True)
    worker = Run.begin(tmp_path, {VARIABLE: f"1:{run.folder}"})
    assert (worker.id, worker.owner) == (run.id, False)


@pytest.mark.parametrize("value", ["", "1:", "1:/", "nonsense", "1:{top}/.imageyard/runs/../../x", "1:/elsewhere/{id}"])
def test_a_variable_that_means_another_checkout_is_not_believed(value: str, tmp_path: Path) -> None:
    first = Run.begin(tmp_path, {})
    environ = {VARIABLE: value.format(top=tmp_path, id=first.id)}
    run = Run.begin(tmp_path, environ)
    assert run.owner
    assert run.folder.parent == tmp_path / ".imageyard" / "runs"
    assert environ[VARIABLE] == f"{os.getpid()}:{run.folder}"


def test_ids_sort_by_time_and_differ(tmp_path: Path) -> None:
    first = Run.begin(tmp_path, {}).id
    before = now()
    while now() == before:
        pass
    ids = [first, *(Run.begin(tmp_path, {}).id for _ in range(3))]
    assert len(set(ids)) == 4
    assert min(ids) == first


def test_from_the_first_moment_the_result_is_interrupted(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    run.write(START)
    assert run.records() == ([START], [])
    assert result(tmp_path) == {
        "code": 130,
        "headline": "interrupted",
        "run": run.id,
        "attempt": 1,
        "rows": [],
    }
    assert closed(run)["headline"] == "linux-trixie amd64: interrupted"


def test_the_result_of_an_earlier_run_is_gone_from_the_first_moment(tmp_path: Path) -> None:
    """A run that is killed must not end with what another one found."""
    earlier = Run.begin(tmp_path, {})
    earlier.write(BUILT)
    assert closed(earlier)["code"] == 0
    later = Run.begin(tmp_path, {})
    later.write(BUILT)
    assert (result(tmp_path)["code"], result(tmp_path)["run"]) == (130, later.id)


def test_a_worker_that_ends_does_not_end_the_run(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    for image in ("a", "b"):
        worker = Run.begin(tmp_path, {VARIABLE: f"1:{run.folder}"})
        worker.write(replace(BUILT, image=image))
        assert closed(worker)["code"] == 130
    assert (closed(run)["code"], result(tmp_path)["headline"]) == (0, "2 built")


def test_the_end_replaces_the_beginning(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    for record in (START, BUILT):
        run.write(record)
    assert run.records() == ([BUILT], [])
    said = closed(run)
    assert (said["code"], said["headline"], said["rows"]) == (0, "1 built", [json.loads(json.dumps(to_json(BUILT)))])


def test_the_result_is_that_of_the_worst_row(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    run.write(BUILT)
    run.write(replace(FAILED, image="linux-bookworm"))
    run.write(replace(SKIPPED, arch="arm64"))
    said = closed(run)
    assert (said["code"], said["headline"]) == (5, "linux-bookworm amd64: RUN false: exit code 1")


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        ([START, BUILT, START], BUILT),
        ([START, BUILT, START, SKIPPED], BUILT),
        ([START, FAILED, SKIPPED], FAILED),
        ([START, FAILED, START, BUILT], BUILT),
        ([START, BUILT, START, FAILED], FAILED),
        ([START, SKIPPED, START, SKIPPED], SKIPPED),
        ([START, SKIPPED, START], START),
    ],
)
def test_what_was_done_to_a_parent_outlasts_that_others_looked_at_it(
    history: list[Record], kept: Record, tmp_path: Path
) -> None:
    for record in history:
        Run.begin(tmp_path, {VARIABLE: f"1:{tmp_path}/.imageyard/runs/20260131T120000.000Z-0000"}).write(record)
    run = Run.begin(tmp_path, {VARIABLE: f"1:{tmp_path}/.imageyard/runs/20260131T120000.000Z-0000"})
    assert run.records() == ([kept], [])


def test_the_headline_is_the_cause_not_what_it_blocked(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    run.write(replace(FAILED, image="child", outcome="blocked", headline="its parent linux-trixie failed"))
    run.write(replace(FAILED, started="2026-01-31T12:00:01.000+00:00"))
    assert closed(run)["headline"] == "linux-trixie amd64: RUN false: exit code 1"


def test_an_error_of_no_row(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    run.fail(ConfigurationError("the catalogue has no image x"))
    assert run.close(Story("plain", io.StringIO())) == 2
    assert (result(tmp_path)["code"], result(tmp_path)["headline"]) == (2, "the catalogue has no image x")


def test_rows_come_in_the_order_they_were_started(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    late = replace(BUILT, image="a", started="2026-01-31T12:00:09.000+00:00")
    run.write(late)
    run.write(BUILT)
    assert run.records()[0] == [BUILT, late]


def test_a_name_with_dots_is_not_mistaken_for_an_architecture(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    records = [
        replace(BUILT, image=image, arch=arch) for image in ("a", "a.amd64", "a.arm64") for arch in ("amd64", "arm64")
    ]
    for record in records:
        run.write(record)
    assert len(run.records()[0]) == 6


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    run.write(BUILT)
    (run.folder / "rows" / "newer.amd64.json").write_text('{"version": 4}')
    shown = io.StringIO()
    assert run.close(Story("plain", shown)) == 0
    assert "linux-trixie-0" in shown.getvalue()
    assert "warning: .imageyard/runs/" in shown.getvalue()
    assert "newer.amd64.json has version 4, this Imageyard reads 3" in shown.getvalue()


def test_only_who_opened_the_run_prints_the_table(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    run = Run.begin(tmp_path, environ)
    worker = Run.begin(tmp_path, {VARIABLE: f"1:{run.folder}"})
    worker.write(FAILED)
    workers, owners = io.StringIO(), io.StringIO()
    assert worker.close(Story("plain", workers)) == 5
    assert run.close(Story("plain", owners)) == 5
    assert workers.getvalue() == ""
    assert owners.getvalue().splitlines()[0].split() == ["image", "arch", "tag", "why", "cached", "time", "size"]
    assert "[5] RUN false: exit code 1" in owners.getvalue()


def test_the_raw_log_lies_beside_the_record_and_is_none(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, {})
    log = run.log_of("linux-trixie", "amd64")
    log.write_text("{}")
    assert log.relative_to(run.folder) == Path("rows/linux-trixie.amd64.rawjson")
    assert run.records() == ([], [])


def test_git_does_not_see_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    Run.begin(tmp_path, {}).write(BUILT)
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, check=True)
    assert status.stdout == b""


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".imageyard").write_text("in the way")
    with pytest.raises(EnvironmentLacks, match="cannot keep records in"):
        Run.begin(tmp_path, {}).write(START)


# Old runs


def old(top: Path, number: int) -> Path:
    folder = top / ".imageyard" / "runs" / f"20200101T{number:06d}.000Z-0000"
    (folder / "rows").mkdir(parents=True)
    (folder / "alive").touch()
    (folder / "rows" / "x.amd64.json").write_text("{}")
    return folder


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    made = [old(tmp_path, number) for number in range(KEPT + 5)]
    other = tmp_path / ".imageyard" / "runs" / "notes"
    other.mkdir()
    run = Run.begin(tmp_path, {})
    run.write(BUILT)
    left = sorted(path.name for path in run.folder.parent.iterdir())
    assert left == [*(path.name for path in made[6:]), run.id, "notes"]


HOLD = """
import sys
from pathlib import Path
from imageyard.runs import Run, VARIABLE
run = Run.begin(Path(sys.argv[1]), {VARIABLE: f"1:{sys.argv[2]}"})
print(run.log_of("x", "amd64"), flush=True)
sys.stdin.read()
"""


def test_a_run_whose_process_lives_is_kept(tmp_path: Path) -> None:
    """However old: a build may take hours while others come and go."""
    held = old(tmp_path, 0)
    rest = [old(tmp_path, number) for number in range(1, KEPT + 1)]
    argv = [sys.executable, "-c", HOLD, str(tmp_path), str(held)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        Run.begin(tmp_path, {}).write(BUILT)
        assert held.exists()
        assert not rest[0].exists()
        process.communicate(b"")
    Run.begin(tmp_path, {}).write(BUILT)
    assert not held.exists()


def test_whether_a_run_lives(tmp_path: Path) -> None:
    """Of another checkout's run only its age is known."""
    run = Run.begin(tmp_path, {})
    run.write(BUILT)
    assert is_alive(tmp_path, run.id)
    run.close(Story("plain", io.StringIO()))
    assert not is_alive(tmp_path, run.id)
    assert is_alive(tmp_path / "elsewhere", run.id)
    assert not is_alive(tmp_path, "20200101T000000.000Z-0000")
    assert not is_alive(tmp_path, "99999999")


MANY = """
import sys
from dataclasses import replace
from pathlib import Path
from imageyard.records import Record
from imageyard.runs import Run
run = Run.begin(Path(sys.argv[1]))
for number in range(20):
    start = Record(f"image-{sys.argv[2]}-{number}", "amd64", "interrupted", 130, "interrupted", started=f"{number:02d}")
    run.write(start)
    run.write(replace(start, outcome="built", code=0))
"""


def test_parallel_workers_lose_no_row(tmp_path: Path) -> None:
    environ = dict(os.environ)
    run = Run.begin(tmp_path, environ)
    workers = [
        subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), str(number)], env=environ) for number in range(3)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert len(run.records()[0]) == 60
    assert (closed(run)["code"], result(tmp_path)["headline"]) == (0, "60 built")
    assert len(list((tmp_path / ".imageyard" / "runs").iterdir())) == 1


# Under Nox, where the process that opens the run executes no session of a parallel call


NOXFILE = """
import atexit
from dataclasses import replace
from pathlib import Path
import nox
from imageyard.console import Story
from imageyard.records import Record
from imageyard.runs import Run

run = Run.begin(Path(__file__).parent)
atexit.register(run.close, Story("plain"))

@nox.session(venv_backend="none", allow_parallel=True)
@nox.parametrize("image", ["good", "bad", "third"])
def build(session, image):
    start = Record(image, "amd64", "interrupted", 130, "interrupted", started="0")
    run.write(start)
    if image == "bad":
        run.write(replace(start, outcome="check failed", code=6, headline="gcc: expected 12, found 13"))
        session.error("[6] gcc: expected 12, found 13")
    run.write(replace(start, outcome="built", code=0))

@nox.session(venv_backend="none", requires=["build(image='good')", "build(image='bad')", "build(image='third')"])
def everything(session):
    pass
"""


def nox(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "noxfile.py").write_text(NOXFILE)
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    argv = [sys.executable, "-m", "nox", "--no-error-on-missing-interpreters", *args]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_listing_sessions_leaves_nothing(tmp_path: Path) -> None:
    done = nox(tmp_path, "-l")
    assert done.returncode == 0
    assert "build(image='bad')" in done.stdout
    assert not (tmp_path / ".imageyard").exists()


@pytest.mark.parametrize("how", [("-s", "build"), ("-j", "2", "-s", "build"), ("-j", "2", "-s", "everything")])
def test_one_call_of_nox_is_one_run_with_one_table(how: tuple[str, ...], tmp_path: Path) -> None:
    """An umbrella session is not even started when a row failed: only the end of the process can print."""
    done = nox(tmp_path, *how)
    assert done.returncode == 1
    assert len(list((tmp_path / ".imageyard" / "runs").iterdir())) == 1
    table = [line.split("  ")[0] for line in done.stderr.splitlines() if " amd64 " in line]
    assert sorted(table) == ["bad", "good", "third"]
    assert (result(tmp_path)["code"], result(tmp_path)["headline"]) == (6, "bad amd64: gcc: expected 12, found 13")


def test_a_result_says_which_attempt_of_a_run_in_ci_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "3")
    run = Run.begin(tmp_path, {})
    run.write(START)
    assert result(tmp_path)["attempt"] == 3
    closed(run)
    assert result(tmp_path)["attempt"] == 3
    run.settle(0, "promote")
    assert result(tmp_path)["attempt"] == 3
