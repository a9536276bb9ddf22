"""`inv tag` of contexts with many files and with large ones, against git over the same files; with peak memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from measure import MB, Ratio, compare

__all__ = ["contexts"]

_TAG = [str(Path(sys.executable).with_name("inv")), "tag", "linux"]
_STATUS = ["git", "status", "--porcelain"]
_CATALOGUE = """\
registry: registry.example.invalid/ci-image
axes: {plain: {linux}}
images:
  one:
    dockerfile: Dockerfile
    names: {linux: }
"""
_IGNORED = """\
*.md
**/*.o
**/*.py[co]
src/d1*/file9*.c
!src/d11/file9*.c
**/node_modules
docs/**
src/**/gen
!**/keep.c
src/d[34]00/*
"""
_LINES = 60


def contexts(folder: Path) -> list[Ratio]:
    """Whole commands; `folder` is an empty one to work in."""
    return [*_many(folder / "many"), *_wildcards(folder), *_large(folder / "large"), _against(folder / "against")]


def _many(yard: Path) -> list[Ratio]:
    """50,000 files in 500 folders: warm, cold, and with a .dockerignore."""
    paths = [f"src/d{number // 100}/file{number % 100}.c" for number in range(50_000)]
    _write(yard, ["COPY . /src/"], dict.fromkeys(paths, "int one;\n" * 60))
    listed = yard.with_suffix(".paths")
    listed.write_text("".join(f".ci/docker/{path}\n" for path in paths))
    hashed = ["sh", "-c", f"git hash-object --stdin-paths < {listed} > /dev/null"]
    warm = _as_status("tag 50,000 files / 1.3 git status + 0.3 s", yard)
    cold = _compare("tag 50,000 files, cold / git hash-object", yard, hashed, mark=2.0, before=_forget(yard))
    (yard / ".ci" / "docker" / ".dockerignore").write_text(_IGNORED)
    ignoring = _as_status("tag 50,000 files, .dockerignore / the same", yard)
    return [warm, cold, ignoring]


def _wildcards(folder: Path) -> list[Ratio]:
    """30,000 files under 60 lines with wildcards, against the 2 seconds that they may take."""
    shapes: dict[str, tuple[list[str], str]] = {
        "in 300 folders": ([f"src/dir*/name-?-{n or ''}*.txt" for n in range(_LINES)], "src/dir{folder}/name-{tail}"),
        "in one folder": ([f"src/*{n or ''}.txt" for n in range(_LINES)], "src/name-{tail}"),
    }
    found = []
    for shape, (sources, path) in shapes.items():
        yard = folder / f"wildcards {shape}"
        files = {path.format(folder=n % 300, tail=f"{n % 10}-{n}.txt"): f"{n}\n" for n in range(30_000)}
        _write(yard, [f"COPY {source} /x{n}/" for n, source in enumerate(sources)], files)
        ratio = _compare(f"tag 60 wildcards, 30,000 files {shape} / 2 s", yard, _STATUS, mark=1.0)
        found.append(replace(ratio, peer=2.0, peer_peak=None))
    return found


def _large(yard: Path) -> list[Ratio]:
    """A file of 1.2 GB, all zeros, which git has not in its index: it is there, and not ignored."""
    _write(yard, ["COPY large /"], {})
    large = yard / ".ci" / "docker" / "large"
    large.touch()
    os.truncate(large, 1200 * MB)
    hashed = ["git", "hash-object", str(large)]
    cold = _compare("tag a file of 1.2 GB, cold / git hash-object", yard, hashed, mark=2.0, before=_forget(yard))
    warm = _as_status("tag a file of 1.2 GB / 1.3 git status + 0.3 s", yard)
    return [replace(ratio, peak_mark=200 * MB) for ratio in (cold, warm)]


def _against(yard: Path) -> Ratio:
    """What changed since the commit before, where six files of 100 MB are there that no image uses."""
    _write(yard, ["COPY used /"], {"used": "1\n"})
    for number in range(6):
        unused = yard / ".ci" / "docker" / f"unused{number}"
        unused.write_text(f"{number}\n")
        os.truncate(unused, 100 * MB)
    _commit(yard)
    (yard / ".ci" / "docker" / "used").write_text("2\n")
    _commit(yard)
    ratio = _compare(
        "tag --against HEAD~1, 600 MB unused / tag + 0.3 s", yard, _TAG, ours=[*_TAG, "--against", "HEAD~1"]
    )
    return replace(ratio, peer=ratio.peer + 0.3, peak_mark=(ratio.peer_peak or 0) + 20 * MB)


def _as_status(name: str, yard: Path) -> Ratio:
    ratio = _compare(name, yard, _STATUS)
    return replace(ratio, peer=1.3 * ratio.peer + 0.3)


def _compare(
    name: str,
    yard: Path,
    peer: Sequence[str],
    *,
    ours: Sequence[str] = _TAG,
    mark: float = 1.0,
    before: Callable[[], None] = lambda: None,
) -> Ratio:
    """Ours and the peer's in one repository, with a cache folder of its own."""
    env = {"XDG_CACHE_HOME": str(_cache(yard))}
    return compare(name, (ours, yard), (peer, yard), mark=mark, runs=5, env=env, before=before)


def _forget(yard: Path) -> Callable[[], None]:
    """What makes a run cold: nothing that a run before it kept is there. The files stay in the system's memory."""

    def forget() -> None:
        for kept in (_cache(yard), yard / ".imageyard"):
            shutil.rmtree(kept, ignore_errors=True)

    return forget


def _cache(yard: Path) -> Path:
    return yard.with_suffix(".cache")


def _write(yard: Path, lines: Sequence[str], files: dict[str, str]) -> None:
    """A repository with one image, whose context has these files."""
    docker = yard / ".ci" / "docker"
    for path, text in files.items():
        (docker / path).parent.mkdir(parents=True, exist_ok=True)
        (docker / path).write_text(text)
    docker.mkdir(parents=True, exist_ok=True)
    (docker / "images.yml").write_text(_CATALOGUE)
    (docker / "Dockerfile").write_text("\n".join(["FROM scratch", *lines]) + "\n")
    (yard / "tasks.py").write_text("from imageyard.cli import namespace\n\nns = namespace()\n")
    (yard / ".gitignore").write_text(".imageyard/\n__pycache__/\n")
    subprocess.run(["git", "init", "-q"], cwd=yard, check=True)
    _commit(yard)


def _commit(yard: Path) -> None:
    own = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "core.compression=0"]
    for argv in (["add", "-A"], ["commit", "-qm", "bench"]):
        subprocess.run(["git", *own, *argv], cwd=yard, check=True)
