"""What lies where in the repository, and what no file of it may say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

TOP_LEVEL = {
    "README.md", "LICENSE", "docs", "examples", "noxfile.py", "tasks.py", "pyproject.toml", ".ci", "tests",
    ".github", ".gitignore", ".gitattributes", ".editorconfig", ".pre-commit-config.yaml", ".hadolint.yaml",
    ".shellcheckrc",
}  # fmt: skip

CI = {"docker", "run"}

DOCKER = {"imageyard", "images.yml", "images.lock", "common", "debian", "linter", ".dockerignore"}


@pytest.mark.parametrize(("folder", "allowed"), [("", TOP_LEVEL), (".ci/", CI), (".ci/docker/", DOCKER)])
def test_nothing_lies_where_it_should_not(folder: str, allowed: set[str], tracked: list[str]) -> None:
    found = {path.removeprefix(folder).partition("/")[0] for path in tracked if path.startswith(folder)}
    assert found
    assert found <= allowed


def texts(top: Path, tracked: list[str]) -> Iterator[tuple[str, str]]:
    """The tracked files that are text; the corpora hold others on purpose."""
    for path in tracked:
        if (top / path).is_file() and not (top / path).is_symlink():
            try:
                yield path, (top / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


SOMEWHERE = re.compile(r"(?<![\w.${}/-])/(?:[r]oot|[w]ork|[h]ome/\w+)/(?!\.cache\b)")
"""A home folder or a checkout of one machine. `~/.cache` of a container's root is what package managers use."""


def test_no_path_of_a_machine(top: Path, tracked: list[str]) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in texts(top, tracked)
        for number, line in enumerate(text.splitlines(), 1)
        if SOMEWHERE.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /" + "root/notes.txt", True),
        ("'/" + "work/main'", True),
        ("cd /" + "home/someone/src", True),
        ("--mount=type=cache,target=/" + "root/.cache/pip", False),
        ("a relative homework/main", False),
        ("https://example.org/" + "work/main", False),
    ],
)
def test_the_rule_about_paths(text: str, found: bool) -> None:
    assert bool(SOMEWHERE.search(text)) is found


PUBLIC = re.compile(
    r"(^|\.)(debian\.org|ubuntu\.com|pypi\.org|pythonhosted\.org|docker\.com|localhost)$|^127\.|^\[?::1"
)


def hosts() -> set[str]:
    """The mirrors and package indexes that this machine is set up with, as far as they are not everybody's."""
    said = [value for name, value in os.environ.items() if name.endswith(("INDEX_URL", "_proxy", "_PROXY", "_MIRROR"))]
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*"), Path("/etc/pip.conf")]
    files += [Path.home() / ".config" / "pip" / "pip.conf", Path.home() / ".npmrc"]
    said += [file.read_text(errors="replace") for file in files if file.is_file()]
    names = {urlsplit(url).hostname for text in said for url in re.findall(r"https?://[^\s\"'\]]+", text)}
    return {name for name in names if name and "." in name and not PUBLIC.search(name)}


def test_no_mirror_of_a_machine(top: Path, tracked: list[str]) -> None:
    found = {(path, host) for path, text in texts(top, tracked) for host in hosts() if host in text}
    assert not found


def test_nothing_is_unfinished(top: Path, tracked: list[str]) -> None:
    marks = re.compile("|".join(["TO" + "DO", "FIX" + "ME"]))
    assert not [path for path, text in texts(top, tracked) if marks.search(text)]


def test_no_large_file(top: Path, tracked: list[str]) -> None:
    assert not [path for path in tracked if (top / path).is_file() and (top / path).stat().st_size > 1_000_000]
