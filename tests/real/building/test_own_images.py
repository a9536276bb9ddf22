"""This repository's own catalogue, built for real on the local stack of this machine, in a copy of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

TOP = Path(__file__).parents[3]
SMALL, COMPILER = "linux-bookworm-base", "linux-bookworm-py3.11-gcc12"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as it is, committed in a repository of its own."""
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        pytest.skip("needs root and what `nox -s install_stack` installs")
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=TOP, text=True)
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, folder / name, follow_symlinks=False)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "copy"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


def call(checkout: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOX", "IMAGEYARD_"))}
    done = subprocess.run(
        [sys.executable, "-m", *argv], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return done


def rows(checkout: Path) -> Mapping[str, Mapping[str, Any]]:
    """The records of the last run by image."""
    return {row["image"]: row for row in json.loads((checkout / ".imageyard" / "result.json").read_text())["rows"]}


def images(checkout: Path) -> set[str]:
    listed = json.loads(call(checkout, "invoke", "list", "--json").stdout)
    return {image["image"] for image in listed}


def test_every_amd64_image_is_built_and_checked_and_then_never_again(checkout: Path) -> None:
    first = call(checkout, "nox", "-s", "local_stack", "build_image(arch='amd64')")
    built = rows(checkout)
    assert set(built) == images(checkout)
    assert {row["outcome"] for row in built.values()} <= {"built", "skipped"}
    assert all(row["tag"] in first.stderr for row in built.values()), "the table names every tag"

    call(checkout, "nox", "-s", "build_image(arch='amd64')")
    assert {row["outcome"] for row in rows(checkout).values()} == {"skipped"}
    assert {name: row["tag"] for name, row in rows(checkout).items()} == {n: r["tag"] for n, r in built.items()}

    checked = json.loads(call(checkout, "invoke", "check", "*", "--arch", "amd64", "--json").stdout)
    findings = {one["image"]: {f["check"] for f in one["findings"] if f["ok"]} for one in checked}
    assert findings["linux-trixie-py3.13-gcc14"] >= {"release", "python", "gcc", "gcc-cxx", "gcc-runs", "only-clang"}
    assert findings["linux-bookworm-py3.11-clang16"] >= {"clang", "clang-cxx", "clang-runs", "only-gcc"}
    assert findings["linux-linter"] >= {"shellcheck", "ruff", "hadolint"}


def arm64_bases() -> set[str]:
    """The stand-ins for arm64 that this machine's stack has."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    lock = cache / "imageyard" / "stack" / "bases" / "arm64" / "bases.lock"
    return {line.partition("@")[0] for line in lock.read_text().splitlines() if line} if lock.exists() else set()


@pytest.mark.arm64
def test_an_arm64_image_is_built_and_checked_under_emulation(checkout: Path, soak: bool) -> None:
    """The base image; with `--soak` the one with a compiler, which takes ten minutes."""
    image = COMPILER if soak else SMALL
    name = f"build_image(arch='arm64', image='{image}')"
    before = arm64_bases()
    call(checkout, "nox", "-s", "local_stack", name)
    built = rows(checkout)[image]
    assert built["outcome"] in ("built", "skipped")
    tag = call(checkout, "invoke", "tag", image, "--arch", "arm64").stdout.strip()
    assert tag == built["tag"], "a base that is made on the way is in the tag from the start"
    checked = json.loads(call(checkout, "invoke", "check", image, "--arch", "arm64", "--json").stdout)
    assert all(finding["ok"] for finding in checked[0]["findings"])

    made = arm64_bases() - before  # nothing where the hub can be reached, or where they were made earlier
    assert made <= {"docker.io/library/debian:bookworm-slim"}, "only what the row needs"
