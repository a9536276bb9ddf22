"""CI images: `nox -s "build_image(arch='amd64')"` builds and checks all; `inv --list` has the single steps."""

import sys
from pathlib import Path
from shutil import which

import nox

nox.needs_version = ">=2026.8.10"  # Nox reads it from the source text: a literal, here
nox.options.sessions = ["lint", "tests"]
sys.path.insert(0, str(Path(__file__).parent / ".ci" / "docker"))  # not needed where the package is installed

from imageyard import sessions  # noqa: E402
from imageyard.console import Story  # noqa: E402
from imageyard.errors import ImageyardError, exit_code  # noqa: E402

sessions.register()


LOCK = "tests/requirements.txt"
PYTEST = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]  # the tests of a file share names in an engine


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the locked versions; what follows `--` goes to pytest."""
    _install_locked(session)
    session.run("pytest", *(session.posargs or PYTEST), interrupt_timeout=60, terminate_timeout=20)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Run the long versions of the random tests; what follows `--` goes to pytest."""
    _install_locked(session)
    session.run("pytest", "--soak", *(session.posargs or PYTEST), interrupt_timeout=60, terminate_timeout=20)


@nox.session(default=False)
def tests_newest(session: nox.Session) -> None:
    """Run the unit tests on the newest version of everything; what follows `--` goes to pytest."""
    session.install("--upgrade", "-e", ".", "--group=test")
    session.run("pytest", *(session.posargs or ["-n", "2", "tests/unit"]), interrupt_timeout=60, terminate_timeout=20)


@nox.session(default=False)
def lock_tests(session: nox.Session) -> None:
    """Lock what the tests, the linters and the benches install: the newest versions of now, with their hashes."""
    session.install("uv")
    options = ["--universal", "--python-version=3.10", "--generate-hashes", "--no-annotate", "--no-header"]
    groups = ["--group=test", "--group=lint"]
    session.run(
        "uv", "pip", "compile", "--quiet", "--upgrade", *options, *groups, f"--output-file={LOCK}", "pyproject.toml"
    )


def _install_locked(session: nox.Session) -> None:
    """Install what tests/requirements.txt locks, and the package itself from here."""
    session.install("--requirement", LOCK)
    session.install("--no-deps", "--no-build-isolation", "--editable", ".")  # setuptools is in the lock


@nox.session(default=False, venv_backend="none")
def install_test_tools(session: nox.Session) -> None:
    """Install the clients and servers that only the tests use (Debian, Ubuntu; root)."""
    sys.path.insert(0, str(Path(__file__).parent / "tests"))
    from support.tools import install_test_tools as flow

    try:
        flow(Story.detect())
    except ImageyardError as error:
        Story.detect().error(error)
        session.error(f"[{exit_code(error)}] {error.headline}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types of Python, the workflows, and the shell scripts that images are made with."""
    _install_locked(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("zizmor", "--offline", "--pedantic", "--quiet", ".github")
    if which("actionlint"):  # where it is not, tests/real/ci/test_workflow_lint.py brings it
        session.run("actionlint", external=True)
    if which("shellcheck"):
        session.run("shellcheck", *map(str, Path(".ci").rglob("*.sh")), ".ci/run", external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure against peers in the same run; prints ratios and writes them as JSON."""
    _install_locked(session)
    session.run("python", "tests/bench/run.py", *session.posargs)
