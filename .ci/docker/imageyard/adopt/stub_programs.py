"""Programs that stand in front of docker's and its like: they note what they are asked for, and build nothing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["RECORDED", "put_in_front"]

RECORDED = ("docker", "podman", "nerdctl", "depot")
"""Programs whose `build` takes docker's options: a stub notes what each is asked for, and ends with 0."""
_REFUSED = ("buildctl", "buildah", "buildkitd", "img", "kaniko")

_STUB = """\
import hashlib, json, os, sys
log, top, *argv = sys.argv[1:]
top = os.path.realpath(top) + os.sep
files = {}
for folder in {one for one in argv if os.path.isdir(one)}:
    if not (os.path.realpath(folder) + os.sep).startswith(top):
        continue
    found = files[folder] = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if os.sep + ".git" + os.sep in path:
                continue
            if os.path.islink(path):
                found[os.path.relpath(path, folder)] = "link " + os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as stream:
                    found[os.path.relpath(path, folder)] = hashlib.sha256(stream.read()).hexdigest()
named = {one.rpartition("=")[2] for one in argv}
known = {one: os.environ[one] for one in named if one in os.environ}
with open(log, "a") as stream:
    stream.write(json.dumps({"argv": argv, "cwd": os.getcwd(), "files": files, "environ": known}) + "\\n")
"""
_SUDO = """\
#!/bin/sh
while true
do
    case "$1" in
        -u|-g|-h|-p|-C|-r|-t) shift 2;;
        -*|*=*) shift;;
        *) exec "$@";;
    esac
done
"""


def put_in_front(programs: Path, log: Path, copy: Path, path: str) -> Mapping[str, str]:
    """Write the stubs into a folder; returns the variables with which a script finds them, and no engine at all.

    `log` gets a line of JSON for each call, `copy` is the repository whose files are noted, `path` the PATH behind. A
    script that names a real docker by its path meets a socket that is not there, and nobody's logins.
    """
    programs.mkdir()
    (programs / "stub.py").write_text(_STUB)
    log.touch()
    words = shlex.join([sys.executable, "-I", "-S", str(programs / "stub.py"), str(log), str(copy)])
    texts = dict.fromkeys(RECORDED, f'#!/bin/sh\nexec {words} "$@"\n')
    for name in _REFUSED:
        texts[name] = f'#!/bin/sh\necho "inv parity records docker, and not {name}" >&2\nexit 1\n'
    for name, text in {**texts, "sudo": _SUDO}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (programs / "config").mkdir()
    nobody = f"unix://{programs / 'no-engine.sock'}"
    return {
        "PATH": f"{programs}:{path}",
        "DOCKER_HOST": nobody,
        "BUILDKIT_HOST": nobody,
        "DOCKER_CONFIG": str(programs / "config"),
        "DOCKER_CONTEXT": "",
        "SSH_AUTH_SOCK": "",
    }
