"""A run's directory: made when the first row needs it, shared by the workers of `nox -j`, pruned when it is old."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imageyard.ci.providers.logs import attempt
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, exit_code
from imageyard.files import atomic_write, keep_out_of_git, locked, try_lock
from imageyard.records import Record, from_json, headers, table, to_json, worst

if TYPE_CHECKING:
    from imageyard.console import Story

__all__ = ["KEPT", "VARIABLE", "Run", "is_alive", "now"]

VARIABLE = "IMAGEYARD_RUN"
"""Hands the run to child processes that are Imageyard too: `PID:FOLDER`, the process that opened it and where it is."""

KEPT = 20
"""Runs that are kept; a run with a living process is kept beyond that."""

_LONGEST = 100
"""Characters of an error in the table at the end: the error was told where it happened, and the record has it whole."""

_ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}")
_REAL = ("built", "published", "failed", "check failed", "refused", "blocked")


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def is_alive(top: Path, run_id: str) -> bool:
    """Whether a run may still be at work: a process of it lives, or it is another checkout's and younger than a day."""
    folder = top.resolve() / ".imageyard" / "runs" / run_id
    if folder.is_dir():
        if (lock := _lock(folder)) is None:
            return True
        os.close(lock)
        return False
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    return bool(_ID.fullmatch(run_id)) and run_id > yesterday.strftime("%Y%m%dT%H%M%S")


class Run:
    """One call of Nox or Invoke, with all the processes that it starts. Nothing is on disk before the first write."""

    def __init__(self, folder: Path, *, owner: bool) -> None:
        self.folder = folder
        self.owner = owner
        self._state = folder.parent.parent
        self._alive: int | None = None
        self._done: set[str] = set()

    @classmethod
    def begin(cls, top: Path, environ: MutableMapping[str, str] | None = None) -> Run:
        """The run of this process: the one it was started in, or a new one, told to children through `environ`.

        A run of another checkout is not joined: the test suite starts Imageyard in checkouts of its own.
        """
        environ = os.environ if environ is None else environ
        runs = top.resolve() / ".imageyard" / "runs"
        pid, _, known = environ.get(VARIABLE, "").partition(":")
        folder = Path(known)
        if folder.parent == runs and _ID.fullmatch(folder.name):
            return cls(folder, owner=pid == str(os.getpid()))
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        run = cls(runs / f"{stamp}Z-{secrets.token_hex(2)}", owner=True)
        environ[VARIABLE] = f"{os.getpid()}:{run.folder}"
        return run

    @property
    def id(self) -> str:
        """`20260131T120000.000Z-1a2b`: ids sort by time."""
        return self.folder.name

    def first(self, what: str) -> bool:
        """Whether this process has not asked the same before: what is done once in a run is done then."""
        new = what not in self._done
        self._done.add(what)
        return new

    def log_of(self, image: str, arch: str) -> Path:
        """Where the raw stream of a row's build is kept; the folder is there after this call."""
        self._open()
        return self.folder / "rows" / f"{image}.{arch}.rawjson"

    def write(self, record: Record) -> None:
        """Keep a record in place of the row's former one.

        Write it as `interrupted` before anything is done, and again at the end. A parent is looked at by each of its
        children: what one of them did to it is not replaced by another's `skipped` or `interrupted`.
        """
        self._open()
        path = self.folder / "rows" / f"{record.image}.{record.arch}.json"
        with locked(self._state / "lock"):
            if record.outcome in _REAL or _outcome(path) not in _REAL:
                atomic_write(path, _encoded(to_json(record)))

    def failure_of(self, image: str, arch: str) -> Record | None:
        """Return the record of a row that failed in this run, in whichever of its processes; None if it did not."""
        try:
            record = from_json((self.folder / "rows" / f"{image}.{arch}.json").read_bytes())
        except (OSError, ConfigurationError):
            return None
        return record if record.code and record.outcome != "interrupted" else None

    def fail(self, error: ImageyardError) -> None:
        """Keep an error that belongs to no row, so that `result.json` has it in the end."""
        self._open()
        atomic_write(self.folder / "failure.json", _encoded({"code": exit_code(error), "headline": error.headline}))

    def settle(self, code: int, headline: str) -> None:
        """Keep how a call without rows ended as `result.json`, for workflows."""
        keep_out_of_git(self._state)
        summary = self._result(code, headline)
        atomic_write(self._state / "result.json", _encoded(summary))

    def records(self) -> tuple[list[Record], list[ConfigurationError]]:
        """The run's records in the order the rows were started, and what could not be read, in words."""
        found: list[Record] = []
        unreadable: list[ConfigurationError] = []
        for path in sorted(self.folder.glob("rows/*.json")):
            try:
                found.append(from_json(path.read_bytes(), str(path.relative_to(self._state.parent))))
            except ConfigurationError as error:
                unreadable.append(error)
        return sorted(found, key=lambda record: record.started), unreadable

    def close(self, story: Story) -> int:
        """Print the table and write `result.json`, where this process opened the run; the run's exit code.

        A run that did nothing leaves nothing. One that is never closed stays `interrupted` in `result.json`.
        """
        records, unreadable = self.records()
        summary = self._summary(records)
        if self.owner and self.folder.exists():
            atomic_write(self._state / "result.json", _encoded(summary))
            if records:
                story.table(headers(records), table(records, _LONGEST), cut=("why",))
            for error in unreadable:
                story.warn(error.headline)
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None
        code: int = summary["code"]
        return code

    def _summary(self, records: Sequence[Record]) -> dict[str, Any]:
        causes_first = sorted(records, key=lambda record: record.outcome == "blocked")
        failures = [(record.code, f"{record.row}: {record.headline}") for record in causes_first if record.code]
        with suppress(OSError, ValueError):
            failure = json.loads((self.folder / "failure.json").read_bytes())
            failures.append((failure["code"], failure["headline"]))
        code = worst(code for code, _ in failures)
        counts = Counter(record.outcome for record in records)
        headline = next((text for found, text in failures if found == code), "")
        headline = headline or ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no row"
        return self._result(code, headline, records)

    def _result(self, code: int, headline: str, records: Sequence[Record] = ()) -> dict[str, Any]:
        """What `result.json` holds; `attempt` tells results of one run in CI apart that was begun again.

        Workflows hand it around, and none of them asks for facts, which may be large: the rows' records have them.
        """
        rows = [to_json(replace(record, facts={})) for record in records]
        return {"code": code, "headline": headline, "run": self.id, "attempt": attempt(os.environ), "rows": rows}

    def _open(self) -> None:
        """Make the folder and hold it: a shared lock on `alive` says that a process of the run lives."""
        if self._alive is not None:
            return
        try:
            while self._alive is None:
                self._alive = _lock(self.folder, alive=True)
            (self.folder / "rows").mkdir(exist_ok=True)
        except OSError as error:
            raise EnvironmentLacks(f"cannot keep records in {self.folder}: {error.strerror}") from None
        keep_out_of_git(self._state)
        with locked(self._state / "lock"):
            result = self._state / "result.json"
            if self.id.encode() not in (result.read_bytes() if result.exists() else b""):
                atomic_write(result, _encoded(self._result(130, "interrupted")))
        self._prune()

    def _prune(self) -> None:
        ids = sorted((f.name for f in self.folder.parent.iterdir() if _ID.fullmatch(f.name)), reverse=True)
        for old in ids[KEPT:]:
            folder = self.folder.parent / old
            if (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path, *, alive: bool = False) -> int | None:
    """Lock a run's folder: `alive` shares it with the run's processes, else it is taken where none of them lives.

    Returns None where it is held, or the run was pruned in between.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return try_lock(folder / "alive", shared=alive, wait=alive)


def _outcome(path: Path) -> str | None:
    try:
        return from_json(path.read_bytes()).outcome
    except (OSError, ConfigurationError):
        return None


def _encoded(data: object) -> bytes:
    return f"{json.dumps(data, indent=2)}\n".encode()
