"""Both ways into another repository: the installed package, and a copy of its folder; each ends in a built image."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from support.engine.private import PrivateEngine
from support.yard.scratch import ARCH, Yard

REPOSITORY = Path(__file__).parents[3]
BASE = "debian:bookworm-slim"
IMAGE = "linux-bookworm-example"

APT = b"""\
#!/bin/sh
[ "$1" = install ] || exit 0
for word; do name=$word; done
printf '#!/bin/sh\\necho %s version 2.39.5\\n' "$name" > "/bin/$name"
chmod 755 "/bin/$name"
"""
"""Stands for the package manager, so that no mirror is asked: what it installs says its name and a version."""


def debian_like(root: bytes) -> bytes:
    """busybox's root with the few things that the example needs of Debian."""
    spool = io.BytesIO(root)
    with tarfile.open(fileobj=spool, mode="a") as tar:
        bash = b'#!/bin/sh\nexec sh "$@"\n'
        for name, content in (("etc/debian_version", b"12.11\n"), ("bin/apt-get", APT), ("bin/bash", bash)):
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, len(content)
            tar.addfile(member, io.BytesIO(content))
    return spool.getvalue()


@pytest.fixture(scope="module")
def base(docker_engine: PrivateEngine, busybox_tar: bytes) -> Iterator[str]:
    """The example's base image, held by the engine under its own name."""
    docker_engine.docker("import", "--change", "ENV PATH=/bin", "-", BASE, stdin=debian_like(busybox_tar))
    yield BASE
    docker_engine.docker("rmi", "--force", BASE, check=False)


def empty(folder: Path, engine: PrivateEngine) -> Yard:
    """A repository that knows nothing of Imageyard."""
    found = Yard(folder / "repository", folder / "home", engine, uuid4().hex[:12])
    found.tmp.mkdir(parents=True)
    found.top.mkdir()
    found.git("init", "--quiet", "--initial-branch=main")
    (found.top / "README.md").write_text("A project.\n")
    return found


@pytest.fixture
def project(docker_engine: PrivateEngine, tmp_path: Path) -> Iterator[Yard]:
    found = empty(tmp_path, docker_engine)
    yield found
    found.remove_images()


@pytest.fixture
def lonely(tmp_path: Path) -> Yard:
    """A repository on a machine without an engine."""
    return empty(tmp_path, PrivateEngine(f"unix://{tmp_path}/nowhere.sock", "containerd"))


def embed(project: Yard, *options: str, env: Mapping[str, str] | None = None) -> str:
    python = shutil.which("python", path=(env or {}).get("PATH")) if env else sys.executable
    assert python is not None
    done = project.run([python, "-m", "imageyard", "init", *options], env=env)
    assert done.code == 0, done.all
    return done.err


def build_the_example(project: Yard, env: Mapping[str, str]) -> None:
    """What a person types after `init`, from the top and from a folder below."""
    project.commit()
    assert project.git("status", "--porcelain") == ""
    listed = project.run(["nox", "-l"], env=env)
    assert f"build_image(arch='amd64', image='{IMAGE}')" in listed.out, listed.all
    assert IMAGE in project.run(["inv", "list"], env=env).out
    assert re.search(r"^  build +Build and check images", project.run(["inv", "--list"], env=env).out, re.MULTILINE)
    tag = project.run(["inv", "tag", IMAGE], env=env).out.strip()
    assert re.fullmatch(rf"{IMAGE}-[0-9a-f]{{20}}", tag)
    below = subprocess.run(
        ["inv", "tag", IMAGE],
        cwd=project.top / ".ci" / "docker",
        env=project.environment(env),
        capture_output=True,
        text=True,
    )
    assert below.stdout.strip() == tag, below.stderr

    name = f"imageyard.local/ci-image:{tag}"
    try:
        done = project.run(["nox", "-s", f"build_image(arch='{ARCH}', image='{IMAGE}')"], env=env)
        assert done.code == 0, done.all
        assert project.records()[IMAGE]["tag"] == tag, done.all
        assert project.outcomes() == {IMAGE: "built"}
        assert [found["check"] for found in project.records()[IMAGE]["findings"]] == ["debian", "git"]
        assert project.engine.docker("image", "inspect", "--format", "{{.Architecture}}", name) == ARCH
        assert list(project.tmp.iterdir()) == []
        assert project.git("status", "--porcelain") == "", "what a run leaves is ignored"
    finally:
        project.engine.docker("rmi", "--force", name, check=False)


@pytest.mark.engine
@pytest.mark.skipif(ARCH != "amd64", reason="the example is for amd64")
class TestBuilding:
    @pytest.mark.mirror
    def test_the_installed_package(self, project: Yard, base: str, tmp_path: Path) -> None:
        """`pip install` of this checkout in an environment of its own; the noxfile has at most ten lines."""
        source, venv = tmp_path / "source", tmp_path / "venv"
        (source / ".ci" / "docker").mkdir(parents=True)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, source)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            REPOSITORY / ".ci" / "docker" / "imageyard", source / ".ci" / "docker" / "imageyard", ignore=ignored
        )
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(source)]
        subprocess.run(pip, check=True)
        env = {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "default"}

        embed(project, env=env)

        noxfile = (project.top / "noxfile.py").read_text()
        assert len(noxfile.splitlines()) <= 10
        assert not (project.top / ".ci" / "docker" / "imageyard").exists()
        build_the_example(project, env)
        assert not list(project.top.rglob("imageyard")), "the package is the installed one"

    def test_a_copy_of_the_folder(self, project: Yard, base: str) -> None:
        """The environment has nox, invoke and PyYAML; the package comes with the repository."""
        embed(project, "--copy")

        copied = project.top / ".ci" / "docker" / "imageyard"
        assert not list(copied.rglob("__pycache__"))
        (copied / "__init__.py").write_text('"""A copy."""\n\n__version__ = "0.0.copy"\n')
        build_the_example(project, {})
        assert project.records()[IMAGE]["versions"]["imageyard"] == "0.0.copy", "the copy was at work"


class TestWriting:
    FILES = (
        ".ci/docker/example/Dockerfile",
        ".ci/docker/example/install_git.sh",
        ".ci/docker/images.lock",
        ".ci/docker/images.yml",
        ".gitignore",
        "noxfile.py",
        "tasks.py",
    )

    def contents(self, project: Yard) -> dict[str, bytes]:
        files = [path for path in project.top.rglob("*") if path.is_file() and ".git" not in path.parts]
        return {str(path.relative_to(project.top)): path.read_bytes() for path in files}

    def test_what_is_written_is_told(self, lonely: Yard) -> None:
        told = embed(lonely)

        assert tuple(sorted(self.contents(lonely))) == tuple(sorted((*self.FILES, "README.md")))
        assert [name for name in self.FILES if f"wrote {name}" not in told] == []

    def test_twice_changes_nothing(self, lonely: Yard) -> None:
        embed(lonely)
        before = self.contents(lonely)
        told = embed(lonely)

        assert self.contents(lonely) == before
        assert "wrote" not in told
        assert "add to" not in told, "what is to be added is there"

    def test_what_is_there_is_kept(self, lonely: Yard) -> None:
        mine = {
            "noxfile.py": '"""Sessions of mine."""\n',
            ".gitignore": "*.o",
            ".ci/docker/images.yml": "images: {}\n",
            ".ci/docker/example/Dockerfile": "FROM scratch\n",
        }
        for name, text in mine.items():
            (lonely.top / name).parent.mkdir(parents=True, exist_ok=True)
            (lonely.top / name).write_text(text)
        told = embed(lonely)

        for name in set(mine) - {".gitignore"}:
            assert (lonely.top / name).read_text() == mine[name]
            assert f"kept {name}, which was there" in told
        assert (lonely.top / ".gitignore").read_text() == "*.o\n.imageyard/\n.nox/\n__pycache__/\n"
        lines = told.partition("add to noxfile.py:\n")[2].splitlines()
        assert "  sessions.register()" in lines
        assert "add to tasks.py" not in told

    def test_the_lines_to_add_work(self, lonely: Yard) -> None:
        noxfile = lonely.top / "noxfile.py"
        noxfile.write_text('"""Sessions of mine."""\nimport nox\n\n\n@nox.session\ndef mine(session):\n    pass\n')
        told = embed(lonely, "--copy").partition("add to noxfile.py:\n")[2]
        lines = [line[2:] for line in told.splitlines() if line.startswith("  ") or not line]
        noxfile.write_text(noxfile.read_text() + "\n".join([*lines, ""]))
        listed = lonely.nox("-l")

        assert listed.code == 0, listed.all
        assert "* mine" in listed.out
        assert f"image='{IMAGE}'" in listed.out

    def test_a_copy_is_replaced_whole(self, lonely: Yard) -> None:
        embed(lonely, "--copy")
        old = lonely.top / ".ci" / "docker" / "imageyard" / "old.py"
        old.write_text("")
        embed(lonely, "--copy")

        assert not old.exists()
        assert (old.parent / "sessions.py").exists()

    def test_into_another_folder(self, lonely: Yard, tmp_path: Path) -> None:
        done = lonely.run([sys.executable, "-m", "imageyard", "init", "--into", str(lonely.top)])

        assert done.code == 0
        assert (lonely.top / "noxfile.py").exists()

    def test_not_a_repository(self, lonely: Yard) -> None:
        shutil.rmtree(lonely.top / ".git")
        done = lonely.run([sys.executable, "-m", "imageyard", "init"])

        assert done.code == 2
        assert f"{lonely.top} is not the top of a git repository" in done.err
        assert f"git init {lonely.top}" in done.err
        assert sorted(self.contents(lonely)) == ["README.md"]

    def test_a_repository_that_has_it(self, lonely: Yard) -> None:
        embed(lonely, "--copy")
        before = self.contents(lonely)
        done = lonely.inv("init", "--copy")

        assert done.code == 2
        assert "this repository holds Imageyard already" in done.err
        assert self.contents(lonely) == before
