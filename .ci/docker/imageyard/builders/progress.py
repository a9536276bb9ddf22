"""What BuildKit's progress means: steps that start and end, lines they write, and why a build failed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from imageyard.builders.rawjson import Splitter, Status
from imageyard.builders.request import BuildWarning, Phase, Steps
from imageyard.builders.vertex import LAST_LINES, WAITING, Vertex

__all__ = ["LAST_LINES", "Cached", "Done", "Event", "Failure", "Log", "Progress", "Started", "Warned"]

_EXIT_CODE = re.compile(r"did not complete successfully: exit code: (\d+)")
_PLACE = re.compile(r"(?P<file>\S.*):(?P<line>\d+)")
_EXCERPT = re.compile(r" *\d+ \| (?P<mark>>>>|   ) ?(?P<text>.*)")
_MOMENT = re.compile(r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.(?P<fraction>\d+))?Z")
_RULE = "-" * 20
_ERROR = "ERROR: "
_CANCELED = "context canceled"
_LONGEST = 65536
"""Bytes of a line without its end that are waited for."""
_PREFIX = re.compile(r"^(failed to build: |failed to solve: )+")


@dataclass(frozen=True)
class Started:
    """A step runs."""

    name: str


@dataclass(frozen=True)
class Cached:
    """A step was taken from the cache."""

    name: str


@dataclass(frozen=True)
class Done:
    """A step ended well, after `seconds`."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Log:
    """A step wrote a line."""

    name: str
    line: str


@dataclass(frozen=True)
class Warned:
    """BuildKit remarks something about the Dockerfile."""

    warning: BuildWarning


Event: TypeAlias = Started | Cached | Done | Log | Warned


@dataclass(frozen=True)
class Failure:
    """Why a build failed. `by_step` is False where no step says it failed: only then it is buildx's own trouble."""

    step: str
    by_step: bool
    phase: Phase
    dockerfile: str | None
    line: int | None
    exit_code: int | None
    lines: tuple[str, ...]
    message: str


class Progress:
    """Reads the stream in any chunks, tells events as they come, and sums up at the end.

    `scrub` is applied, line by line, to what steps wrote and errors say, before anyone sees it. `keep` is given each
    status object and each line of text after that; logs come in whole lines there.
    """

    def __init__(
        self,
        scrub: Callable[[str], str] = lambda text: text,
        keep: Callable[[Status | str], None] = lambda part: None,
    ) -> None:
        self._splitter = Splitter()
        self._scrub = scrub
        self._keep = keep
        self._vertexes: dict[str, Vertex] = {}
        self._failed: tuple[Vertex, str, Phase] | None = None
        self._stopped: Vertex | None = None
        self._text: list[str] = []
        self.warnings: list[BuildWarning] = []

    @property
    def started(self) -> bool:
        """Whether the builder has begun: any vertex but that of waiting for its connection has run or failed."""
        return any((v.running or v.ended) and not v.name.startswith(WAITING) for v in self._vertexes.values())

    @property
    def steps(self) -> Steps:
        """Counts of the Dockerfile's steps as far as they are known; BuildKit may tell of one under two digests."""
        steps = [v for v in self._vertexes.values() if v.is_step]
        built = {v.name for v in steps if not v.cached}
        return Steps(len({v.name for v in steps}), len({v.name for v in steps} - built))

    @property
    def ran(self) -> tuple[str, ...]:
        """The RUN steps whose command was started."""
        return tuple(v.name for v in self._vertexes.values() if v.is_run and v.began)

    @property
    def cut_off(self) -> bool:
        """Whether such a command did not come to its end."""
        return any(v.is_run and v.began and (v.error or not v.ended) for v in self._vertexes.values())

    @property
    def cache_problems(self) -> tuple[str, ...]:
        """Layer caches that could not be read or written; one that is not there is none."""
        found = [(v.name, v.error) for v in self._vertexes.values() if v.phase == "cache" and v.error]
        return tuple(f"{name}: {error}" for name, error in found if not error.endswith(": not found"))

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        return [event for part in self._splitter.feed(chunk) for event in self._take(part)]

    def end(self) -> list[Event]:
        """The last events; the stream has ended."""
        events = [event for part in self._splitter.end() for event in self._take(part)]
        return events + [event for digest in self._vertexes for event in self._flush(digest)]

    @property
    def at(self) -> tuple[str, tuple[str, ...]]:
        """The step that runs, or was stopped by a cancellation, and its last lines."""
        vertex = next((v for v in reversed(self._vertexes.values()) if v.running), self._stopped)
        return (vertex.name, tuple(vertex.tail)) if vertex else ("", ())

    def failure(self) -> Failure:
        """Why the build failed, for a build that did."""
        message, (dockerfile, line, instruction) = self._complaint(), self._place()
        if self._failed is None:
            return Failure(instruction, False, "other", dockerfile, line, None, (), message)
        vertex, error, phase = self._failed
        code = _EXIT_CODE.search(error)
        return Failure(
            step=vertex.name,
            by_step=True,
            phase=phase,
            dockerfile=dockerfile,
            line=line,
            exit_code=int(code[1]) if code else None,
            lines=tuple(vertex.tail),
            message=f"exit code {code[1]}" if code else message or error,
        )

    def _take(self, part: Status | str) -> Iterator[Event]:
        if isinstance(part, str):
            text = self._scrub(part)
            self._text.append(text)
            self._keep(text)
            return
        for vertex in _records(part, "vertexes"):
            yield from self._vertex(vertex)
        logs: list[Status] = []
        for log in _records(part, "logs"):
            lines = self._written(_text(log, "vertex"), _decoded(log.get("data")))
            yield from lines
            if lines:
                logs.append({**log, "data": _encoded(lines)})
        for warning in _records(part, "warnings"):
            yield self._warned(warning)
        if logs or any(key != "logs" for key in part):
            self._keep({key: value for key, value in part.items() if key != "logs"} | ({"logs": logs} if logs else {}))

    def _vertex(self, status: Status) -> Iterator[Event]:
        digest, error = _text(status, "digest"), self._scrub(_text(status, "error"))
        vertex = self._vertexes.setdefault(digest, Vertex(_text(status, "name")))
        shown = vertex.is_shown
        if error:
            status["error"] = error
            yield from self._flush(digest)
            self._broke(vertex, error)
        elif status.get("completed") and not vertex.ended:
            yield from self._flush(digest)
            vertex.ended, vertex.running = True, False
            vertex.cached = bool(status.get("cached"))
            if shown:
                yield Cached(vertex.name) if vertex.cached else Done(vertex.name, _seconds(status))
        elif status.get("started") and not status.get("cached") and not vertex.running and not vertex.ended:
            vertex.began = vertex.running = True
            if shown:
                yield Started(vertex.name)

    def _broke(self, vertex: Vertex, error: str) -> None:
        """Keep the first failure that counts. A cache that could not be read or written ends a build only by itself."""
        vertex.ended, vertex.running, vertex.error = True, False, error
        if error.endswith(_CANCELED):
            self._stopped = vertex
        elif self._failed is None or (self._failed[2] == "cache" and vertex.phase != "cache"):
            # BuildKit fetches layers only where they are needed: what fails before it began lacks what it starts from
            fetching = vertex.phase == "run" and not vertex.began
            self._failed = vertex, error, "resolve" if fetching else vertex.phase

    def _written(self, digest: str, data: bytes) -> list[Log]:
        vertex = self._vertexes.setdefault(digest, Vertex(""))
        *whole, vertex.partial = (vertex.partial + data).split(b"\n")
        if len(vertex.partial) > _LONGEST:
            whole, vertex.partial = [*whole, vertex.partial], b""
        return [self._line(vertex, line) for line in whole]

    def _flush(self, digest: str) -> Iterator[Log]:
        """Give out a last line that no line feed ended."""
        vertex = self._vertexes[digest]
        if vertex.partial:
            log, vertex.partial = self._line(vertex, vertex.partial), b""
            self._keep({"logs": [{"vertex": digest, "stream": 1, "data": _encoded([log])}]})
            yield log

    def _line(self, vertex: Vertex, line: bytes) -> Log:
        text = self._scrub(line.decode(errors="replace").rstrip("\r"))
        vertex.tail.append(text)
        return Log(vertex.name, text)

    def _warned(self, record: Status) -> Warned:
        source = record.get("sourceInfo")
        places = _records(record, "range")
        start = places[0].get("start") if places else None
        line = start.get("line") if isinstance(start, dict) else None
        warning = BuildWarning(
            text=_decoded(record.get("short")).decode(errors="replace"),
            dockerfile=(_text(source, "filename") or None) if isinstance(source, dict) else None,
            line=line if isinstance(line, int) else None,
        )
        self.warnings.append(warning)
        return Warned(warning)

    def _complaint(self) -> str:
        """The last `ERROR:` of buildx, to the end of its text."""
        for index in range(len(self._text) - 1, -1, -1):
            if self._text[index].startswith(_ERROR):
                first, *rest = self._text[index:]
                return "\n".join([_PREFIX.sub("", first.removeprefix(_ERROR)), *rest]).strip()
        return "\n".join(line for line in self._text if line.strip())[-2000:]

    def _place(self) -> tuple[str | None, int | None, str]:
        """File, line and first marked line of the excerpt that buildx prints above its error."""
        for index, text in enumerate(self._text[:-1]):
            place = _PLACE.fullmatch(text)
            if place and self._text[index + 1] == _RULE:
                excerpt = map(_EXCERPT.fullmatch, self._text[index + 2 :])
                marked = next((m["text"] for m in excerpt if m and m["mark"] == ">>>"), "")
                return place["file"], int(place["line"]), marked.strip()
        return None, None, ""


def _records(status: Status, key: str) -> list[Status]:
    found = status.get(key)
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []


def _text(status: Status, key: str) -> str:
    value = status.get(key)
    return value if isinstance(value, str) else ""


def _decoded(data: object) -> bytes:
    try:
        return base64.b64decode(data if isinstance(data, str) else "")
    except (ValueError, binascii.Error):
        return b""


def _encoded(logs: list[Log]) -> str:
    return base64.b64encode("".join(f"{log.line}\n" for log in logs).encode()).decode()


def _seconds(status: Status) -> float:
    """How long a vertex ran."""
    began, ended = _moment(_text(status, "started")), _moment(_text(status, "completed"))
    return max(0.0, ended - began) if began and ended else 0.0


def _moment(text: str) -> float | None:
    """Seconds since the epoch. Go writes RFC 3339 with nanoseconds, none of them at all where they are 0."""
    match = _MOMENT.fullmatch(text)
    if not match:
        return None
    return datetime.fromisoformat(f"{match['second']}+00:00").timestamp() + float(f"0.{match['fraction'] or 0}")
