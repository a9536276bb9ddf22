"""Runs Invoke, Nox and the package in forks of one process that has imported everything: one JSON line a command.

It names no module below `imageyard`, so that it runs whatever the package looks like inside.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / ".ci" / "docker"

_real_monotonic, _real_sleep = time.monotonic, time.sleep
_skipped = [0.0]


def _monotonic() -> float:
    return _real_monotonic() + _skipped[0]


def _sleep(seconds: float) -> None:
    """The package does not wait: when it asks for the time afterwards it is told that so much has passed."""
    if sys._getframe(1).f_globals.get("__name__", "").startswith("imageyard."):
        _skipped[0] += seconds
    else:
        _real_sleep(seconds)


def _import_all() -> None:
    import imageyard

    assert Path(imageyard.__path__[0]).parent == PACKAGE
    for found in pkgutil.walk_packages(imageyard.__path__, "imageyard."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in ("invoke.program", "nox.tasks", "yaml", "urllib3"):
        importlib.import_module(name)


def _become(asked: dict[str, Any]) -> None:
    """Be the command: its folder, environment and files, then its module as `python -m` runs it."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    for number, name, mode in ((1, "out", "w"), (2, "err", "w")):
        file = os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
        stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, f"std{name}", stream)
        setattr(sys, f"__std{name}__", stream)
    sys.argv = [asked["module"], *asked["argv"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


def _run(asked: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code: object = 0
    try:
        _become(asked)
    except SystemExit as ended:
        code = ended.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def main() -> None:
    """Answer each line with the exit code of what it asks for."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:0] = ["", str(PACKAGE)]  # a tasks.py of the current folder, and this checkout's package
    time.monotonic, time.sleep = _monotonic, _sleep
    random.random = lambda: 0.5
    _import_all()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy what all of them share
    assert threading.active_count() == 1, "a fork would lose threads"
    print("ready", file=answers, flush=True)
    for line in iter(sys.stdin.readline, ""):
        print(_run(json.loads(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
