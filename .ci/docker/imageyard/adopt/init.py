"""`inv init`: write into a repository what embeds Imageyard, by the installed package or by a copy of its folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import imageyard
from imageyard.errors import ConfigurationError
from imageyard.files import atomic_write, make_folder

__all__ = ["Written", "init"]

_FOLDER = Path(".ci", "docker")
_ENTRIES = ("noxfile.py", "tasks.py")
_IGNORED = (".imageyard/", ".nox/", "__pycache__/")

_PATH = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / ".ci" / "docker"))
"""

_NOXFILE = '''\
"""`nox -s "build_image(arch='amd64')"` builds and checks the images of .ci/docker/images.yml."""
{path}from imageyard import sessions

sessions.register()
'''

_TASKS = '''\
"""Single steps: `inv --list`."""
{path}from imageyard.cli import namespace

ns = namespace()
'''

_CATALOGUE = """\
defaults:
  arches: [amd64]
axes:
  os: {bookworm: {DEBIAN: bookworm}}
  plain: {linux, example}
images:
  example:
    dockerfile: example/Dockerfile
    checks:
      debian: {run: cat /etc/debian_version, version: 12}
      git: {run: git --version}
    names:
      linux-{os}-example:
"""

_DOCKERFILE = """\
ARG DEBIAN
FROM debian:${DEBIAN}-slim
COPY example/install_git.sh /tmp/
RUN bash /tmp/install_git.sh && rm /tmp/install_git.sh
"""

_SCRIPT = """\
#!/usr/bin/env bash
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends git
rm -rf /var/lib/apt/lists/*
"""


@dataclass(frozen=True)
class Written:
    """What `init` did, as paths relative to the repository: written, and found there and left alone."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    add: Mapping[str, str]  # a kept file and the lines that it needs


def init(top: Path, *, copy: bool = False) -> Written:
    """Embed Imageyard in the repository at `top`; nothing that is there is overwritten.

    With `copy` the package's folder is copied to `.ci/docker/imageyard` and found there; else the noxfile imports the
    installed package. Raises ConfigurationError where `top` is no repository or is Imageyard's own.
    """
    top = top.resolve()
    if not (top / ".git").exists():
        raise ConfigurationError(f"{top} is not the top of a git repository", hint=f"git init {top}")
    package = Path(imageyard.__file__).parent
    if package.is_relative_to(top):
        raise ConfigurationError("this repository holds Imageyard already", hint="inv init --into OTHER_REPOSITORY")
    files = _files(copy)
    written, kept = [], []
    for name, text in files.items():
        path = top / name
        if path.exists():
            kept.append(name)
            continue
        make_folder(path.parent)
        atomic_write(path, text.encode())
        written.append(name)
    if copy:
        written.append(_copy_package(package, top / _FOLDER / "imageyard"))
    if _ignore_state(top):
        written.append(".gitignore")
    add = {name: files[name] for name in kept if name in _ENTRIES and "imageyard" not in (top / name).read_text()}
    return Written(tuple(written), tuple(kept), add)


def _files(copy: bool) -> dict[str, str]:
    path = _PATH if copy else ""
    return {
        "noxfile.py": _NOXFILE.format(path=path),
        "tasks.py": _TASKS.format(path=path),
        str(_FOLDER / "images.yml"): _CATALOGUE,
        str(_FOLDER / "images.lock"): "",
        str(_FOLDER / "example" / "Dockerfile"): _DOCKERFILE,
        str(_FOLDER / "example" / "install_git.sh"): _SCRIPT,
    }


def _copy_package(package: Path, target: Path) -> str:
    if target.exists():
        shutil.rmtree(target)  # a copy is replaced whole: a file of an older version must not stay behind
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))
    return str(_FOLDER / "imageyard") + "/"


def _ignore_state(top: Path) -> bool:
    """Keep run records and caches of Python and Nox out of git, and so out of every image's context."""
    path = top / ".gitignore"
    text = path.read_text() if path.exists() else ""
    missing = [line for line in _IGNORED if line not in text.splitlines()]
    if missing:
        joint = "\n" if text and not text.endswith("\n") else ""
        atomic_write(path, (text + joint + "\n".join(missing) + "\n").encode())
    return bool(missing)
