"""Makes the recording: `python tests/recorded/record.py` runs every command and writes `recording/`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from recorded.scenes import Scenes, scenes  # noqa: E402

__all__ = ["RECORDING", "Player", "cases", "player"]

RECORDING = HERE / "recording"


def cases() -> dict[str, dict[str, Any]]:
    """What is recorded, by group and name."""
    files = sorted(RECORDING.glob("*.json"))
    return {f"{f.stem}: {name}": one for f in files for name, one in json.loads(f.read_text("utf-8")).items()}


class Player:
    """Runs commands in the scenes, and says what became of them."""

    def __init__(self, at: Scenes, driver: subprocess.Popen[str]) -> None:
        self.at = at
        self._driver = driver

    def play(
        self,
        cwd: str,
        module: str,
        argv: Sequence[str],
        env: Mapping[str, str | None] | None = None,
        payload: str | None = None,
    ) -> dict[str, Any]:
        """What one command wrote, how it ended, and which files it left; `payload` is that of a GitHub event."""
        base = self.at.base
        event = base / "events" / "event.json"
        if payload is not None:
            event.write_bytes(payload.encode("latin-1"))
        asked = {
            "cwd": str(base / cwd),
            "module": module,
            "argv": [self.at.put(word) for word in argv],
            "env": self.at.environment(env),
            "out": str(base.with_suffix(".out")),
            "err": str(base.with_suffix(".err")),
        }
        assert self._driver.stdin
        assert self._driver.stdout
        print(json.dumps(asked), file=self._driver.stdin, flush=True)
        code = int(self._driver.stdout.readline())
        event.unlink(missing_ok=True)
        found: dict[str, Any] = {"code": code}
        for name in ("out", "err"):
            file = base.with_suffix(f".{name}")
            found[name] = self.at.taken(file.read_text("utf-8")).split("\n")
            file.unlink()
        return {**found, "files": self.at.changes()}


@contextmanager
def player() -> Iterator[Player]:
    """Scenes and a process that runs commands in them."""
    with scenes() as at:
        at.freeze()
        driver = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=at.base / "empty",
            env=at.environment({"PYTHONHASHSEED": "0"}),  # errors of several rows are told in the order of sets
            umask=0o022,
        )
        assert driver.stdin
        assert driver.stdout
        try:
            assert driver.stdout.readline() == "ready\n", "the driver did not start: its errors are above"
            yield Player(at, driver)
        finally:
            driver.stdin.close()
            driver.wait()
            driver.stdout.close()


def main() -> None:
    """Run every command once and write one file a group."""
    from recorded.commands import commands

    shutil.rmtree(RECORDING, ignore_errors=True)
    RECORDING.mkdir()
    with player() as playing:
        for group, asked in commands(playing):
            kept: dict[str, Any] = {}
            for one in asked:
                name = one.pop("name")
                assert name not in kept, f"{name} stands twice in {group}"
                found = playing.play(**one)
                assert "Traceback (most recent call last)" not in "\n".join(found["err"]), found
                kept[name] = {"asked": one, **found}
            text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
            (RECORDING / f"{group}.json").write_text(text, "utf-8")
            print(f"{group}: {len(kept)}")


if __name__ == "__main__":
    main()
