"""What is typed and what comes back: results on standard output, errors with a hint and their exit code, no traceback.

No engine answers here: all of this works without one, or says what is missing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.cli import namespace
from imageyard.cli.first_word import first_word
from support.engine.private import PrivateEngine
from support.yard.scratch import ARCH, Yard, make_yard

TASKS = sorted(namespace().task_names)
GCC = "linux-bookworm-gcc12"
ROW = f"build_image(arch={ARCH!r}, image={GCC!r})"
UMBRELLA = f"build_image(arch={ARCH!r})"
OTHER = "arm64" if ARCH == "amd64" else "amd64"
TAG = re.compile(rf"{GCC}-[0-9a-f]{{20}}")


def lonely(folder: Path) -> Yard:
    """A scratch repository on a machine without an engine."""
    return make_yard(PrivateEngine(f"unix://{folder}/nowhere.sock", "containerd"), folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One that is only read."""
    yard = lonely(tmp_path_factory.mktemp("cli"))
    yield yard
    assert list(yard.tmp.iterdir()) == []


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Yard]:
    """One that the test changes."""
    yard = lonely(tmp_path)
    yield yard
    assert list(yard.tmp.iterdir()) == []


@pytest.fixture(scope="module")
def nowhere(shared: Yard) -> Path:
    """A folder that is in no repository."""
    folder = shared.top.parent / "nowhere"
    folder.mkdir()
    for name in ("noxfile.py", "tasks.py"):
        (folder / name).write_text((shared.top / name).read_text())
    return folder


class TestHelp:
    @pytest.mark.parametrize("task", TASKS)
    def test_of_a_task(self, shared: Yard, task: str) -> None:
        """Every option says what it is for."""
        done = shared.inv("--help", task)

        assert done.code == 0, done.all
        assert "Docstring:\n  none" not in done.out
        options = done.out.partition("Options:\n")[2]
        bare = [line for line in options.splitlines() if re.fullmatch(r"  --\S+( \S+)?\s*", line)]
        assert not bare, "an option without a word about it"

    @pytest.mark.parametrize("task", TASKS)
    def test_as_an_option(self, shared: Yard, task: str) -> None:
        """`inv TASK -h`, which Invoke takes for the value of a positional argument."""
        done = [shared.inv(*argv) for argv in ((task, "-h"), (task, "--help"), ("--help", task))]

        assert [one.code for one in done] == [0, 0, 0], done
        assert done[0].out == done[1].out == done[2].out
        assert f"[--core-opts] {task} [" in done[0].out

    @pytest.mark.parametrize("session", [ROW, "test_dockerfile", "local_stack"])
    def test_of_a_session(self, shared: Yard, session: str) -> None:
        done = shared.nox("-s", session, "--", "--help")

        assert done.code == 0, done.all
        assert f"usage: nox -s {session.partition('(')[0]} --" in done.all

    def test_inv_lists_its_tasks_with_a_line_each(self, shared: Yard) -> None:
        done = shared.inv("--list")

        assert done.code == 0
        assert [name for name in TASKS if not re.search(rf"^  {name} +\w", done.out, re.MULTILINE)] == []


# what stands behind the program -> what is first behind the task `plan`, which needs no word
FIRST: dict[tuple[str, ...], str] = {
    ("plan",): "none",
    ("plan", "x"): "word",
    ("plan", "--at", "trusted"): "none",
    ("plan", "--at", "trusted", "x"): "word",
    ("plan", "--at=trusted", "x"): "word",
    ("plan", "--offline", "x"): "word",
    ("plan", "x", "-h"): "word",
    ("plan", "-h", "x"): "help",
    ("plan", "--at", "-h"): "none",
    ("plan", "--help"): "help",
    ("plan", "--", "x"): "none",
    ("plan", "tag", "x"): "none",
    ("plan", "--pattern", "x"): "none",
    ("plan", "-j", "2"): "none",
    ("plan", "-j", "2", "x"): "word",
    ("plan", "-j2", "x"): "word",
    ("tag", "plan", "--offline"): "none",
    ("--dry", "plan", "x"): "word",
    ("list", "--", "plan", "x"): "none",
}


@pytest.mark.parametrize("arguments", FIRST)
def test_the_first_word(arguments: tuple[str, ...]) -> None:
    takes_value = {"--at": True, "--pattern": True, "--offline": False, "-j": True}
    assert first_word(arguments, "plan", takes_value, {"plan", "tag", "list"}) == FIRST[arguments]


class TestPattern:
    """`list` and `plan` take a pattern as their sisters do, and do without."""

    @pytest.mark.parametrize("task", [("list",), ("plan", "--offline")])
    def test_behind_the_task(self, shared: Yard, task: tuple[str, ...]) -> None:
        named = shared.inv(*task, "--pattern", GCC)

        assert shared.inv(*task, GCC) == shared.inv(task[0], GCC, *task[1:]) == named
        assert "linux-plain" not in named.out
        assert "linux-plain" in shared.inv(*task).out
        assert shared.inv(*task, "tag", GCC).out == shared.inv(*task).out + shared.inv("tag", GCC).out


class TestResults:
    """Standard output has the result and nothing else."""

    def test_a_tag(self, shared: Yard) -> None:
        done = shared.inv("tag", GCC)

        assert TAG.fullmatch(done.out.strip())
        assert (done.code, done.err) == (0, "")

    def test_tags_of_a_pattern(self, shared: Yard) -> None:
        done = shared.inv("tag", "linux-*-gcc{11,12}")

        assert [line.split()[:2] for line in done.out.splitlines()] == [
            ["linux-bookworm-gcc11", ARCH],
            [GCC, ARCH],
        ]

    @pytest.mark.parametrize(
        ("argv", "keys"),
        [
            (("list",), {"image", "family", "arches", "dockerfile"}),
            (("tag", "*"), {"image", "arch", "tag"}),
            (("tag", "*", "--explain"), {"image", "arch", "tag", "id", "recipe", "inputs", "unpinned", "unasked"}),
            (("tag", "*", "--against", "HEAD"), {"image", "arch", "tag", "was", "changes", "note"}),
            (("inputs", "*"), {"image", "files"}),
        ],
    )
    def test_json(self, shared: Yard, argv: tuple[str, ...], keys: set[str]) -> None:
        done = shared.inv(*argv, "--json")
        found = json.loads(done.out)

        assert (done.code, done.err) == (0, "")
        assert [one["image"] for one in found].count(GCC) == 1
        assert {frozenset(one) for one in found} == {frozenset(keys)}

    def test_an_explanation(self, shared: Yard) -> None:
        text, data = shared.inv("explain", GCC), shared.inv("explain", GCC, "--json")

        assert "gcc12" in text.out
        assert re.search(r"\.ci/docker/images\.yml:\d+:\d+", text.out)
        assert isinstance(json.loads(data.out), dict)

    def test_inputs_are_named_from_the_top(self, shared: Yard) -> None:
        assert shared.inv("inputs", GCC).out.splitlines() == [
            ".ci/docker/base/Dockerfile",
            ".ci/docker/base/setup.sh",
            ".ci/docker/gcc/Dockerfile",
            ".ci/docker/gcc/install.sh",
        ]

    def test_a_reader_that_leaves_is_no_error(self, shared: Yard) -> None:
        with shared.start([sys.executable, "-m", "invoke", "list"]) as child:
            assert child.stdout is not None
            child.stdout.close()
            assert child.stderr is not None
            told = child.stderr.read()

        assert (child.returncode, told) == (0, "")

    def test_from_a_folder_below(self, shared: Yard) -> None:
        folder = shared.top / ".ci" / "docker" / "gcc"
        done = subprocess.run(
            [sys.executable, "-m", "invoke", "tag", GCC], cwd=folder, env=shared.environment(), capture_output=True
        )

        assert TAG.fullmatch(done.stdout.decode().strip())

    def test_a_set_is_local(self, shared: Yard) -> None:
        done = shared.inv("tag", GCC, "--set", "GCC_VERSION=13", "--set", "RELEASE=13")

        assert done.out.strip().endswith("-local")
        assert done.out != shared.inv("tag", GCC, "--set", "GCC_VERSION=13").out


# what is typed -> exit code, what is said of it
ERRORS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "an image that is misspelt": (("tag", "linux-bokworm-gcc12"), 2, ("linux-bokworm-gcc12", f"did you mean '{GCC}'")),
    "a pattern without an image": (("tag", "linux-*-gcc99"), 2, ("linux-*-gcc99", "did you mean", "inv list")),
    "an alternative without an image": (("build", "linux-{plain,plane}"), 2, ("'plane'", "did you mean 'plain'")),
    "a pattern that does not close": (("tag", "linux-{plain"), 2, ("linux-{plain",)),
    "explain of no image": (("explain", "linux-plan"), 2, ("linux-plan", "did you mean 'linux-plain'")),
    "list of no image": (("list", "--pattern", "linux-plan"), 2, ("did you mean 'linux-plain'",)),
    "an unknown architecture": (("tag", GCC, "--arch", "amd46"), 2, ("'amd46'", "amd64, arm64")),
    "an architecture without a row": (("tag", GCC, "--arch", OTHER), 2, (OTHER, f"inv list --pattern '{GCC}'")),
    "--set without a value": (("tag", GCC, "--set", "GCC_VERSION"), 2, ("NAME=VALUE", "'GCC_VERSION'")),
    "--set of nothing": (("tag", GCC, "--set", "=12"), 2, ("NAME=VALUE",)),
    "--set of an odd name": (("tag", GCC, "--set", "GCC-VERSION=12"), 2, ("NAME=VALUE",)),
    "--set of a slip": (("tag", GCC, "--set", "GCC_VERSON=12"), 2, ("changes nothing", "did you mean 'GCC_VERSION'")),
    "--set of a slip, in a build": (("build", GCC, "--set", "GCC_VERSON=12"), 2, ("did you mean 'GCC_VERSION'",)),
    "--set that others use": (
        ("inputs", "linux-plain", "--set", "GCC_VERSION=12"),
        2,
        ("of linux-plain has that arg",),
    ),
    "--expect of many": (("build", "*", "--expect", "a-tag"), 10, ("--expect", "name as many tags as rows")),
    "an unknown revision": (("tag", GCC, "--against", "mian"), 2, ("unknown revision 'mian'",)),
    "no such catalogue": (("list", "--catalogue", "other.yml"), 2, ("there is no catalogue other.yml",)),
    "a folder as catalogue": (("list", "--catalogue", ".ci"), 2, ("there is no catalogue .ci",)),
    "a build without an engine": (("build", GCC), 4, ("no Docker engine answers", "nox -s install_stack local_stack")),
    "a check without an engine": (("check", GCC), 4, ("no Docker engine answers",)),
    "a clean without an engine": (("clean",), 4, ("no Docker engine answers",)),
}


class TestErrors:
    @pytest.mark.parametrize("what", ERRORS)
    def test_code_and_words(self, shared: Yard, what: str) -> None:
        argv, code, said = ERRORS[what]
        done = shared.inv(*argv)

        assert done.code == code, done.all
        assert done.out == "", "the result is for programs"
        assert done.err.startswith("error: ")
        assert [words for words in said if words not in done.err] == [], done.err
        assert "  next: " in done.err or said == ("linux-{plain",)

    @pytest.mark.parametrize("command", [("invoke", "list"), ("nox", "-l"), ("invoke", "build", "*")])
    def test_no_catalogue(self, nowhere: Path, shared: Yard, command: tuple[str, ...]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=nowhere, env=shared.environment(), capture_output=True, text=True
        )

        assert done.returncode == 4
        assert "there is no .ci/docker/images.yml here or above" in done.stderr
        assert "python -m imageyard init" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("command", [("nox", "-l"), ("nox", "-s", ROW), ("invoke", "list"), ("invoke", "tag", GCC)])
    def test_a_bad_catalogue(self, own: Yard, command: tuple[str, ...]) -> None:
        own.edit("images.yml", "axes:", "axis:")
        done = own.run([sys.executable, "-m", *command])

        assert done.code == 2, done.all
        assert re.search(r"error: \.ci/docker/images\.yml:\d+:1: ", done.err)
        assert "did you mean 'axes'?" in done.err

    def test_a_bad_dockerfile(self, own: Yard) -> None:
        own.write("gcc/Dockerfile", "FORM scratch\n")
        done = own.inv("tag", GCC)

        assert done.code == 2
        assert "error: .ci/docker/gcc/Dockerfile:1" in done.err
        assert own.inv("tag", "linux-plain").code == 0, "another image does not care"
        assert own.nox("-l").code == 0, "a listing reads no Dockerfile"

    def test_not_a_repository(self, own: Yard) -> None:
        (own.top / ".git").rename(own.home / "git")

        assert own.inv("list").code == 0
        done = own.inv("tag", GCC)
        assert done.code == 4
        assert "is not in a git repository" in done.err


# task -> what is typed with it, so that it would change something
CHANGES: dict[str, tuple[str, ...]] = {
    "build": (GCC,),
    "push": (GCC,),
    "promote": (GCC,),
    "mirror": (GCC,),
    "lock": (),
    "login": (),
    "init": ("--into", "new"),
    "ci.issue": (),
    "clean": ("--yes",),
    "cache.clean": ("--pr", "1", "--yes"),
}


def held(yard: Yard) -> dict[Path, bytes]:
    """The files of a repository, what is kept of runs included."""
    return {path: path.read_bytes() for path in yard.top.rglob("*") if path.is_file() and path.suffix != ".pyc"}


class TestDry:
    """`inv --dry`, which Invoke has for the commands that it starts itself, and we start none by it."""

    @pytest.mark.parametrize("how", ["option", "variable"])
    @pytest.mark.parametrize("task", CHANGES)
    def test_what_changes_something_is_refused(self, own: Yard, task: str, how: str) -> None:
        before = held(own)
        if how == "option":
            done = own.inv("--dry", task, *CHANGES[task])
        else:
            done = own.inv(task, *CHANGES[task], env={"INVOKE_RUN_DRY": "1"})

        assert done.code == 2, done.all
        assert re.match("error: .* has no dry run: nothing was done|error: --dry and --yes contradict", done.err)
        assert "  next: " in done.err
        assert held(own) == before
        assert not (own.top / "new").exists()

    @pytest.mark.parametrize(
        ("argv", "code"),
        [(("tag", GCC), 0), (("plan", "--offline"), 0), (("clean",), 4), (("refs", GCC), 7), (("doctor",), 4)],
    )
    def test_what_only_asks_goes_on(self, own: Yard, argv: tuple[str, ...], code: int) -> None:
        done = own.inv("--dry", *argv)

        assert (done.code, done.out) == (code, own.inv(*argv).out)
        assert "dry" not in done.err

    def test_nox_installs_only(self, own: Yard) -> None:
        """Its own word for it: environments are made ready, and nothing is run."""
        done = own.nox("--install-only", "-s", ROW)

        assert (done.code, own.state.joinpath("result.json").exists()) == (0, False)
        assert "--install-only is set" in done.err


POSING = "##[error]x"
"""What GitHub's runner takes for a command anywhere in a line (actions/runner, ActionCommand.cs: TryParse)."""

# what is typed in a job -> the exit code; each is told of something that poses as a command
POSES: dict[str, tuple[tuple[str, ...], int]] = {
    "an error of ours": (("inv", "tag", POSING), 2),
    "an error of Invoke's": (("inv", POSING), 1),
    "an error of Invoke's on a line of its own": (("inv", f"x\n::{POSING}::y"), 1),
    "a reason of Nox's": (("nox", "-s", ROW, "--", POSING), 1),
    "a session that is not there": (("nox", "-s", POSING), 3),
    "the last run": (("inv", "ci.result"), 5),
    "a report": (("inv", "ci.report"), 5),
    "a report as data": (("inv", "ci.report", "--json"), 5),
}


class TestLogOfAJob:
    """Nothing that a job says is a command of its runner's, whoever says it: we, Invoke, Nox or Python."""

    @pytest.mark.parametrize("what", POSES)
    def test_what_poses_as_a_command(self, own: Yard, what: str) -> None:
        (program, *argv), code = POSES[what]
        own.state.mkdir()
        result = {"code": 5, "headline": f"RUN {POSING}", "run": "", "rows": []}
        (own.state / "result.json").write_text(json.dumps(result))
        job = own.top / "results" / f"result-row-{GCC} {ARCH}"
        job.mkdir(parents=True)
        (job / "result.json").write_text(json.dumps(result))
        row = {"image": GCC, "arch": ARCH, "tag": "t", "needs": [], "action": "build", "reason": "new", "code": 0}
        row["job"] = f"{GCC} {ARCH}"
        (own.top / "plan.json").write_text(json.dumps({"rows": [row], "images": []}))

        done = own.run([sys.executable, "-m", {"inv": "invoke"}.get(program, program), *argv], env=JOB)

        assert done.code == code, done.all
        assert "error]x" in done.all, "it is told"
        assert "##[" not in done.all
        assert not re.search(r"^\s*::(?!error|notice|warning|group|endgroup)", done.all, re.MULTILINE)

    def test_a_traceback(self, own: Yard) -> None:
        (own.top / "tasks.py").write_text(f"{(own.top / 'tasks.py').read_text()}\nraise ValueError({POSING!r})\n")
        argv, environ = [sys.executable, "-m", "invoke", "list"], own.environment(JOB)
        done = subprocess.run(argv, cwd=own.top, env=environ, capture_output=True, text=True)

        assert "ValueError: # #[error]x" in done.stderr
        assert "##[" not in done.stderr


JOB = {"CI": "true", "GITHUB_ACTIONS": "true"}


class TestOtherCatalogue:
    NAMES = "axes: {plain: {linux, moved}}\nimages: {moved: {dockerfile: plain/Dockerfile, names: {linux-moved: {}}}}\n"

    @pytest.fixture
    def other(self, own: Yard) -> Yard:
        own.write("../other/images.yml", self.NAMES)
        own.write("../other/plain/Dockerfile", "FROM scratch\nCOPY plain/Dockerfile /\n")
        return own

    @pytest.mark.parametrize("how", ["option", "variable", "both"])
    def test_it_is_named(self, other: Yard, how: str) -> None:
        file = ".ci/other/images.yml"
        env = {"option": {}, "variable": {"IMAGEYARD_CATALOGUE": file}, "both": {"IMAGEYARD_CATALOGUE": "nowhere.yml"}}
        option = () if how == "variable" else ("--catalogue", file)
        done = other.inv("tag", "linux-moved", *option, env=env[how])

        assert re.fullmatch(
            r"linux-moved-[0-9a-f]{20}", other.inv("tag", "*moved", *option, env=env[how]).out.split()[2]
        )
        assert done.code == 0, done.all

    def test_nox_follows_the_variable(self, other: Yard) -> None:
        done = other.nox("-l", env={"IMAGEYARD_CATALOGUE": ".ci/other/images.yml"})

        assert "image='linux-moved'" in done.out
        assert GCC not in done.out

    def test_a_variable_that_names_nothing(self, other: Yard) -> None:
        done = other.nox("-l", env={"IMAGEYARD_CATALOGUE": "nowhere.yml"})

        assert done.code == 2
        assert "there is no catalogue nowhere.yml" in done.err


def listed(yard: Yard, *options: str) -> dict[str, list[str]]:
    """The sessions that Nox would run, and their tags."""
    done = yard.nox("-l", "--json", *options)
    assert done.code == 0, done.all
    return {one["session"]: one["tags"] for one in json.loads(done.out)}


class TestSessions:
    ROWS = tuple(f"build_image(arch={ARCH!r}, image={name!r})" for name in ("linux-bookworm-gcc11", GCC))

    def test_a_listing_leaves_nothing_but_what_it_keeps(self, own: Yard) -> None:
        before = {path for path in own.top.rglob("*") if ".git/" not in str(path)}
        assert own.nox("-l").code == 0
        made = {path for path in own.top.rglob("*") if ".git/" not in str(path)} - before

        assert {path for path in made if "__pycache__" not in path.parts} == {
            own.state,
            own.state / ".gitignore",
            own.state / "listing.json",
        }
        assert own.git("status", "--porcelain") == ""
        assert list(own.tmp.iterdir()) == []

    def test_the_kept_listing_follows_the_catalogue(self, own: Yard) -> None:
        assert own.nox("-l").out.count("linux-bookworm-gcc11") == 1
        own.edit("images.yml", "linux-{os}-gcc{11,12}", "linux-{os}-gcc12")

        assert "linux-bookworm-gcc11" not in own.nox("-l").out

    def test_a_checkout_that_cannot_be_written_to_is_listed(self, own: Yard) -> None:
        own.state.write_text("in the way")

        assert GCC in own.nox("-l").out

    def test_rows_are_tagged_by_architecture_and_family(self, shared: Yard) -> None:
        assert listed(shared, "-s", ROW) == {ROW: [ARCH, "gcc"]}
        assert tuple(listed(shared, "-t", "gcc")) == self.ROWS
        assert len(listed(shared, "-t", ARCH)) == 4

    def test_nothing_is_run_without_being_asked_for(self, shared: Yard) -> None:
        done = shared.nox("-l")

        assert not [line for line in done.out.splitlines() if line.startswith("*")]

    def test_an_umbrella_requires_its_rows(self, shared: Yard) -> None:
        done = shared.nox("-s", UMBRELLA, "--no-stop-on-first-error")

        assert done.code == 1
        for row in self.ROWS:
            assert f"Running session {row}" in done.all
        assert done.all.count("[4] no Docker engine answers") >= len(self.ROWS)
        assert shared.result["code"] == 4

    def test_nothing_is_said_of_uv_where_there_is_none(self, own: Yard) -> None:
        """Nox looks for it before each session, also before those that have no environment."""
        (own.home / "uv.py").write_text("raise ImportError\n")
        found = own.environment()["PATH"].split(os.pathsep)
        path = os.pathsep.join(folder for folder in found if not (Path(folder) / "uv").exists())
        done = own.nox("-s", "plan", "--", "--offline", env={"PYTHONPATH": str(own.home), "PATH": path})

        assert done.code == 0, done.all
        assert "uv" not in done.err

    def test_one_table_at_the_end(self, own: Yard) -> None:
        done = own.nox("-s", ROW)

        assert re.findall(r"^image +arch +tag +why.*$", done.err, re.MULTILINE)[0].split()[:4] == [
            "image", "arch", "tag", "why",
        ]  # fmt: skip
        assert done.err.splitlines()[-1].startswith(f"{GCC} ")


# session, what follows `--` -> what is said of it
POSARGS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "an unknown option": (ROW, ("--bogus",), ("[2] --bogus is not known here", "known: -h, --help, --force")),
    "a misspelt option": (ROW, ("--forse",), ("did you mean '--force'?",)),
    "half an option": (ROW, ("--forc",), ("did you mean '--force'?",)),
    "a stray word": (ROW, ("linux-plain",), ("linux-plain is not known here",)),
    "an option without its value": (ROW, ("--expect",), ("[2] argument --expect: expected one argument",)),
    "a bad --set": (ROW, ("--set", "GCC"), ("[2] --set takes NAME=VALUE, not 'GCC'",)),
    "a --set of a slip": (ROW, ("--set", "GCC_VERSON=1"), ("did you mean 'GCC_VERSION'?",)),
    "a misspelt word for the stack": ("local_stack", ("stpo",), ("does not know 'stpo'", "did you mean 'stop'?")),
    "a misspelt option for the stack": ("local_stack", ("stop", "--purg"), ("did you mean '--purge'?",)),
    "two words for the stack": ("local_stack", ("status", "stop"), ("stop is not known here",)),
    "no file": ("test_dockerfile", (), ("[2] the following arguments are required: file",)),
    "a file that is not there": ("test_dockerfile", ("nofile",), ("[2] there is no file nofile",)),
    "a file that no image uses": ("test_dockerfile", ("tasks.py",), ("[2] no image uses tasks.py", "inv inputs '*'")),
    "a file of another place": ("test_dockerfile", ("/etc/passwd",), ("[2] /etc/passwd is not in this repository",)),
}  # fmt: skip


@pytest.mark.parametrize("what", POSARGS)
def test_what_follows_the_dashes(shared: Yard, what: str) -> None:
    session, posargs, said = POSARGS[what]
    done = shared.nox("-s", session, "--", *posargs)

    assert done.code == 1, "Nox knows no other"
    assert [words for words in said if words not in done.all] == []
