"""`nox -l` and `inv --list` with a catalogue of 1,000 rows, against bare Nox and bare Invoke."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from measure import Ratio, compare

__all__ = ["listing"]

ROWS = 1000

_OURS = "from imageyard import sessions\n\nsessions.register()\n"
_BARE = """\
import nox

@nox.session(default=False, venv_backend="none")
@nox.parametrize("arch,image", [
{rows}
])
def build_image(session, arch, image):
    \"\"\"Build and check one image.\"\"\"
"""
_CATALOGUE = """\
axes:
  plain: {linux}
  number:
%s
images:
  many:
    dockerfile: Dockerfile
    names:
      linux-{number}:
"""


def listing(folder: Path) -> list[Ratio]:
    """Both listings; `folder` is an empty one to work in."""
    ours, bare = folder / "ours", folder / "bare"
    _write_ours(ours)
    _write_bare(bare)
    scripts = Path(sys.executable).parent
    nox, inv = str(scripts / "nox"), str(scripts / "inv")
    tasks = json.loads(subprocess.check_output([inv, "--list", "--list-format=json"], cwd=ours))["tasks"]
    names = [task["name"].replace(".", "_").replace("-", "_") for task in tasks]
    body = "\n".join(f'@task\ndef {name}(c):\n    """Do {name}."""\n' for name in names)
    (bare / "tasks.py").write_text(f"from invoke import task\n\n{body}")
    return [
        compare(f"nox -l, {ROWS} rows", ([nox, "-l"], ours), ([nox, "-l"], bare), mark=1.2),
        compare(f"inv --list, {len(names)} tasks", ([inv, "--list"], ours), ([inv, "--list"], bare), mark=1.2),
    ]


def _write_ours(folder: Path) -> None:
    docker = folder / ".ci" / "docker"
    docker.mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "noxfile.py").write_text(_OURS)
    (folder / "tasks.py").write_text("from imageyard.cli import namespace\n\nns = namespace()\n")
    hundreds = (range(start, start + 100) for start in range(0, ROWS, 100))  # YAML: a key has at most 1,024 characters
    words = (f'    "n{{{",".join(map(str, hundred))}}}": {{NUMBER: "{{}}"}}' for hundred in hundreds)
    (docker / "images.yml").write_text(_CATALOGUE % "\n".join(words))


def _write_bare(folder: Path) -> None:
    folder.mkdir()
    rows = "\n".join(f'    nox.param("amd64", "linux-n{n}", tags=["amd64", "many"]),' for n in range(ROWS))
    (folder / "noxfile.py").write_text(_BARE.format(rows=rows))
