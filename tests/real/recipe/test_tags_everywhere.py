"""One commit, one tag for each row: wherever it is checked out, whoever asks, whichever Python answers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from imageyard.project.checkout import this_arch

TOP = Path(__file__).parents[3]
DIGEST = "sha256:" + "0123456789abcdef" * 4
LOCK = "".join(f"debian:{suite}-slim@{DIGEST}\n" for suite in ("bookworm", "trixie"))
TRIXIE = "linux-trixie-py3.13-gcc14"
"""One of this repository's own images: it has trixie's Python and git."""

MORE = {
    "images.yml": """\
axes: {plain: {linux, all, few, language, elsewhere}}
defaults: {arches: [amd64, arm64]}
images:
  odd:
    names:
      linux-all: {dockerfile: all.Dockerfile, args: {VERSION: 3.10, YES: yes, WORD: "na\\u00efve"}}
      linux-few: {dockerfile: few.Dockerfile, contexts: {tools: "lib/some tools"}, epoch: 3}
      linux-language: {dockerfile: "Dockerfile.\\u00fc", arches: [arm64]}
  elsewhere:
    context: /elsewhere/context
    dockerfile: /elsewhere/ci.Dockerfile
    files: {vendored: /more/lib, "r.txt": /elsewhere/r.txt}
    args: {PIN: "file:/elsewhere/pin.txt"}
    contexts: {tools: "/more/lib/some tools"}
    names: {linux-elsewhere: }
""",
    "../elsewhere/ci.Dockerfile": "FROM scratch\nARG PIN\nCOPY . /\nCOPY --from=tools a* /t/\n",
    "../elsewhere/ci.Dockerfile.dockerignore": "**/*.md\n",
    "../elsewhere/context/own.md": "ignored\n",
    "../elsewhere/context/own.txt": "own\n",
    "../elsewhere/r.txt": "ruff\n",
    "../elsewhere/pin.txt": "2.6.1\n",
    ".dockerignore": "**/*.md\n!lib/keep.md\n",
    "all.Dockerfile": "FROM scratch\nARG VERSION\nARG YES\nARG WORD\nCOPY lib /\nCOPY <<E /e\n${VERSION}\nE\n",
    "few.Dockerfile": "FROM scratch\nCOPY --from=tools a* /\nCOPY lib/[k-z]* /\n",
    "Dockerfile.\u00fc": "FROM scratch\nCOPY lib/l\u00e4nge.sh lib/\u65e5\u672c /\n",
    "lib/keep.md": "kept\n",
    "lib/gone.md": "ignored\n",
    "lib/l\u00e4nge.sh": "#!/bin/sh\n",
    "lib/\u65e5\u672c": "text\n",
    "lib/zero": "",
    "lib/crlf.txt": "one\r\ntwo\r\n",
    "lib/some tools/a.sh": "#!/bin/sh\n",
    "lib/some tools/a b": "blank\n",
    "lib/some tools/c": "not taken\n",
}
"""A second catalogue, of what a file system, a locale or another Python could show otherwise."""


@dataclass(frozen=True)
class Way:
    """How it is checked out and asked."""

    folder: str = "clone"
    clone: tuple[str, ...] = ("git", "clone", "--quiet")
    umask: int = 0o022
    env: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    then: Callable[[Path], None] = lambda clone: None


def git(top: Path, *argv: str) -> str:
    named = ("-c", "user.name=Yard", "-c", "user.email=yard@example.org")
    done = subprocess.run(["git", *named, *argv], cwd=top, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository's catalogue and what it is made from, with a lock that never moves, and the other catalogue."""
    top = tmp_path_factory.mktemp("origin") / "repository"
    top.mkdir()
    for name in git(TOP, "ls-files", ".ci/docker", ":!.ci/docker/imageyard").splitlines():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, top / name, follow_symlinks=False)
    (top / ".ci" / "docker" / "images.lock").write_text(LOCK)
    for name, text in MORE.items():
        file = top / "more" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        file.chmod(0o755 if name.endswith(".sh") else 0o644)
    (top / "more" / "lib" / "zlink").symlink_to("some tools/a b")
    (top / "more" / "lib" / "zfolder").symlink_to("some tools")
    git(top, "init", "--quiet", "--initial-branch=main")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message=State")
    return top


CATALOGUES = (".ci/docker/images.yml", "more/images.yml")


def environment(cache: Path, way: Way | None = None) -> dict[str, str]:
    """As little of this process's as there can be, without a stand-in of this machine."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    found = {**known, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1", **(way.env if way else {})}
    return {name: value for name, value in found.items() if not way or name not in way.without}


def tags(clone: Path, env: Mapping[str, str], python: str = sys.executable) -> dict[str, str]:
    """`IMAGE ARCH` and its tag, of both catalogues."""
    found = {}
    for catalogue in CATALOGUES:
        argv = [python, "-m", "imageyard", "tag", "*", "--json", "--catalogue", catalogue]
        done = subprocess.run(argv, cwd=clone, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        found.update({f"{one['image']} {one['arch']}": one["tag"] for one in json.loads(done.stdout)})
    return found


@pytest.fixture(scope="module")
def reference(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tags where everything is as it was written."""
    found = tags(origin, environment(tmp_path_factory.mktemp("cache")))
    assert len(found) > 10
    assert len(set(found.values())) == len(found)
    assert not [tag for tag in found.values() if tag.endswith("-local")]
    return found


def touch(clone: Path) -> None:
    for path in clone.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000), follow_symlinks=False)


def rewrite(clone: Path) -> None:
    """Other inodes, in another order."""
    for path in sorted(clone.rglob("*"), reverse=True):
        if path.is_file() and not path.is_symlink() and ".git" not in path.parts:
            content, mode = path.read_bytes(), path.stat().st_mode
            path.unlink()
            path.write_bytes(content)
            path.chmod(mode)


def without_modes(clone: Path) -> None:
    """As on a file system that keeps no executable bit."""
    git(clone, "config", "core.fileMode", "false")
    for path in clone.rglob("*.sh"):
        path.chmod(0o644)


def litter(clone: Path) -> None:
    """What git does not see is not there."""
    (clone / ".git" / "info" / "exclude").write_text("*.pyc\n")
    (clone / "more" / "lib" / "zcache.pyc").write_bytes(b"\0")
    (clone / "more" / "lib" / "an empty folder").mkdir()


STRAY = {
    "DOCKER_DEFAULT_PLATFORM": "linux/riscv64", "SOURCE_DATE_EPOCH": "1", "BUILDX_BUILDER": "other", "TRITON": "1",
    "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "DEPOT_BUILD_ID": "1", "GCC_VERSION": "99",
}  # fmt: skip

WAYS = {
    "a clone": Way(),
    "a path with odd characters": Way("a path/\u00fcber-\u65e5\u672c/[x] '$HOME'"),
    "a long path": Way("/".join(["deep"] * 40)),
    "umask 077": Way(umask=0o077),
    "umask 002": Way(umask=0o002),
    "a shallow clone": Way(clone=("git", "clone", "--quiet", "--depth=1")),
    "a clone without blobs": Way(clone=("git", "clone", "--quiet", "--filter=blob:none")),
    "a work tree": Way(clone=("git", "worktree", "add", "--quiet", "--detach")),
    "old times": Way(then=touch),
    "files written anew": Way(then=rewrite),
    "no executable bits": Way(then=without_modes),
    "what git ignores": Way(then=litter),
    "another home": Way(env={"HOME": "/nowhere"}),
    "no home, no language": Way(without=("HOME", "LANG")),
    "an ASCII locale": Way(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "another locale": Way(env={"LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr"}),
    "another time zone": Way(env={"TZ": "Pacific/Kiritimati"}),
    "a hash seed": Way(env={"PYTHONHASHSEED": "1"}),
    "another hash seed": Way(env={"PYTHONHASHSEED": "4294967295"}),
    "optimized": Way(env={"PYTHONOPTIMIZE": "2"}),
    "stray variables": Way(env=STRAY),
}


def checked_out(origin: Path, way: Way, top: Path) -> Path:
    clone = top / way.folder
    clone.parent.mkdir(parents=True, exist_ok=True)
    source = [] if "worktree" in way.clone else [f"file://{origin}"]
    revision = ["HEAD"] if "worktree" in way.clone else []
    old = os.umask(way.umask)
    try:
        git(origin, *way.clone[1:], *source, str(clone), *revision)
        way.then(clone)
    finally:
        os.umask(old)
    return clone


@pytest.mark.parametrize("name", WAYS)
def test_tags_are_the_same(origin: Path, reference: dict[str, str], tmp_path: Path, name: str) -> None:
    way = WAYS[name]
    clone = checked_out(origin, way, tmp_path / "checked out")

    assert tags(clone, environment(tmp_path / "cache", way)) == reference


def test_another_commit_of_the_same_files_has_the_same_tags(
    origin: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    clone = checked_out(origin, Way(), tmp_path)
    git(clone, "commit", "--quiet", "--allow-empty", "--message=Later")

    assert git(clone, "rev-parse", "HEAD") != git(origin, "rev-parse", "HEAD")
    assert tags(clone, environment(tmp_path / "cache")) == reference


def test_the_way_counts_for_nothing_and_the_content_for_all(
    origin: Path, reference: dict[str, str], tmp_path: Path
) -> None:
    """The comparison would see a difference: a bit of content and the executable bit change tags."""
    clone = checked_out(origin, Way(), tmp_path)
    (clone / "more" / "lib" / "zero").write_text("\n")
    (clone / "more" / "lib" / "some tools" / "a b").chmod(0o755)
    found = tags(clone, environment(tmp_path / "cache"))

    assert {row for row in found if found[row] != reference[row]} == {
        "linux-all amd64", "linux-all arm64", "linux-few amd64", "linux-few arm64",
        "linux-elsewhere amd64", "linux-elsewhere arm64",
    }  # fmt: skip


def pure_packages(folder: Path) -> Path:
    """Imageyard and the two packages that working a tag out takes, as plain files that any Python can import."""
    folder.mkdir(exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("imageyard", "invoke", "yaml"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        if not (folder / name).exists():
            shutil.copytree(Path(found.origin).parent, folder / name, ignore=ignored)
    about = f"invoke-{version('invoke')}.dist-info"  # Invoke asks for its own version
    if not (folder / about).exists():
        shutil.copytree(str(distribution("invoke").locate_file(about)), folder / about)
    return folder


def interpreters() -> list[str]:
    """Other Pythons of this machine, by version: on PATH, or where pyenv keeps them. This one, too, reads YAML anew."""
    found = {}
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path("~/.pyenv/versions").expanduser().glob("*/bin"))]
    for minor in range(10, 15):
        for folder in folders:
            program = Path(folder) / f"python3.{minor}"
            if program.is_file() and "shims" not in program.parts:
                found.setdefault(minor, str(program))
    found[sys.version_info.minor] = sys.executable
    return [found[minor] for minor in sorted(found)]


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_every_python_here_says_the_same(origin: Path, reference: dict[str, str], tmp_path: Path, python: str) -> None:
    """Without libyaml: PyYAML's own scanner reads the catalogue."""
    env = environment(tmp_path / "cache") | {"PYTHONPATH": str(pure_packages(tmp_path / "packages"))}

    assert tags(origin, env, python) == reference


@pytest.mark.engine
@pytest.mark.mirror
@pytest.mark.skipif(shutil.which("debootstrap") is None or os.geteuid() != 0, reason="needs `nox -s install_stack`")
def test_trixie_s_python_in_a_container_says_the_same(origin: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """This repository's own image works the tags out of a checkout that it cannot write to, on the local stack."""
    from imageyard.engine import Engine
    from imageyard.stack.state import Folders

    checkout = tmp_path / "checkout"
    shutil.copytree(origin, checkout, symlinks=True)
    (checkout / ".ci" / "docker" / "images.lock").write_text("")
    (checkout / "noxfile.py").write_text("from imageyard import sessions\n\nsessions.register()\n")
    row = f"build_image(arch='{this_arch()}', image='{TRIXIE}')"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NOX", "IMAGEYARD_"))}
    built = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "local_stack", row], cwd=checkout, env=env, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr[-4000:]
    (record,) = [
        one for one in json.loads((checkout / ".imageyard" / "result.json").read_text())["rows"]
        if one["image"] == TRIXIE
    ]  # fmt: skip

    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    engine = Engine.find(Folders.of_user().socket)
    mounts = {origin: "/checkout", pure_packages(tmp_path / "packages"): "/packages", home: "/home/guest"}
    options = [part for where, inside in mounts.items() for part in ("--volume", f"{where}:{inside}:ro")]
    variables = {"HOME": "/home/guest", "PYTHONPATH": "/packages", "PYTHONDONTWRITEBYTECODE": "1"}
    options += [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    image = f"ghcr.io/imageyard/ci-image:{record['tag']}"

    def ask(*argv: str) -> str:
        command = [engine.program, "run", "--rm", "--network=none", "--workdir=/checkout", *options, image, *argv]
        done = subprocess.run(command, env=env | dict(engine.env), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert ask("python3", "--version").startswith("Python 3.13.")
    found = {}
    for catalogue in CATALOGUES:
        told = ask("python3", "-m", "imageyard", "tag", "*", "--json", "--catalogue", catalogue)
        found.update({f"{one['image']} {one['arch']}": one["tag"] for one in json.loads(told)})
    assert found == reference
