"""CI images: `nox -s "build_image(arch='amd64')"` builds and checks all; `inv --list` has the single steps."""

import os
import re
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


def _oldest_python() -> str:
    """Find the oldest Python that pyproject.toml allows and this machine has, without a process: `nox -l` reads this.

    Nox by itself does not look into pyenv's folders, and a shim of pyenv is there for versions that do not run.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for name in (f"3.{minor}" for minor in range(10, sys.version_info.minor)):
        if (program := which(f"python{name}")) and Path(program).parent.name != "shims":
            return program
        if programs := sorted(pyenv.glob(f"{name}.*/bin/python")):
            return str(programs[0])
    return sys.executable


VERSIONS = ["-n", "2", "tests/unit", "tests/contract"]  # what the two sessions run that have versions of their own


@nox.session(default=False)
def tests_newest(session: nox.Session) -> None:
    """Run the tests without engines on the newest version of everything; what follows `--` goes to pytest."""
    session.install("--upgrade", "-e", ".", "--group=test")
    session.run("pytest", *(session.posargs or VERSIONS), interrupt_timeout=60, terminate_timeout=20)


@nox.session(default=False, python=_oldest_python())
def tests_oldest(session: nox.Session) -> None:
    """Run the tests without engines on the oldest version that pyproject.toml allows of each package that it names.

    They run on the oldest Python of this machine that it allows; what follows `--` goes to pytest.
    """
    session.install("uv")
    # Not in `create_tmp`: it makes itself TMPDIR, and the tests want folders that are in no repository.
    named, every = (session.cache_dir / f"oldest-{name}.txt" for name in ("named", "every"))
    command = ["uv", "pip", "compile", "--quiet", "--upgrade", "--no-annotate", "--no-header"]
    command += [f"--python={session.bin}/python", "--group=test", "pyproject.toml"]
    lowest = ["--resolution=lowest-direct", "--no-deps", "--no-strip-extras", f"--output-file={named}"]
    session.run_install(*command, *lowest, env=_index(session))
    # Newest versions of what they need may ask for more than the bounds do: the bounds win, and pip need not agree.
    session.run_install(*command, f"--override={named}", f"--output-file={every}", env=_index(session))
    session.install("--no-deps", "--requirement", str(every))
    session.install("--no-deps", "--no-build-isolation", "--editable", ".")
    session.log("the oldest versions: %s", ", ".join(named.read_text().split()))
    session.run("pytest", *(session.posargs or VERSIONS), interrupt_timeout=60, terminate_timeout=20)


@nox.session(default=False)
def lock_tests(session: nox.Session) -> None:
    """Lock what the tests, the linters and the benches install: the newest versions of now, with their hashes."""
    session.install("uv")
    options = ["--universal", "--python-version=3.10", "--generate-hashes", "--no-annotate", "--no-header"]
    options += ["--group=test", "--group=lint", f"--output-file={LOCK}", "pyproject.toml"]
    session.run("uv", "pip", "compile", "--quiet", "--upgrade", *options, env=_index(session))


def _index(session: nox.Session) -> dict[str, str]:
    """Name the package index of this machine as uv wants it: uv reads neither pip.conf nor PIP_INDEX_URL."""
    said = session.run_install("python", "-m", "pip", "config", "list", silent=True)
    urls = re.findall(r"^(?:global|install|:env:)\.index-url='(.*)'$", str(said), re.MULTILINE)
    return {"UV_DEFAULT_INDEX": urls[-1]} if urls else {}


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
