"""BuildKit's plain progress, told as the `rawjson` stream: for a client that has no other form for a reader."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

__all__ = ["Plain"]

_LINE = re.compile(r"#(?P<number>\d+) (?P<text>.*)")
_LOG = re.compile(r"\d+\.\d+ ?(?P<text>.*)")
_DONE = re.compile(r"DONE (?P<seconds>\d+(\.\d+)?)s")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARNINGS = re.compile(r"\d+ warnings? found")
_WARNING = " - "
_RULE = "------"
_SUMMARY = "Build Summary: "
_OWN_LOG = 'time="'
_BUILD = "[depot] build: "
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass
class Plain:
    """Takes what `depot build --progress=plain` writes, in any chunks, and gives it as lines of `rawjson`.

    The form is that of BuildKit 0.11, util/progress/progressui/printer.go: each line of a step has `#NUMBER ` in front,
    and what the step wrote has its time after that, so no step can write a line that is taken for another's. After the
    last step comes an excerpt of what failed, which says nothing new, and then why the build failed.

    `build` is the address of the build at Depot once it was created there: the first step names it.
    """

    build: str | None = None
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _rest: str = ""
    _names: dict[str, str] = field(default_factory=dict)
    _current: str = ""
    _excerpt: bool = False
    _warning: bool = False
    _error: tuple[str, list[str]] | None = None
    _loose: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> bytes:
        """What `chunk` completes."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        return _stream(part for line in lines for part in self._line(line.rstrip("\r")))

    def end(self) -> bytes:
        """What is left when the stream ends: why the build failed, as buildx says it."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        parts = [*self._line(rest), *self._failed()]
        after = next((n for n in range(len(self._loose), 0, -1) if self._loose[n - 1].startswith(_SUMMARY)), 0)
        why = [line for line in self._loose[after:] if line.strip() and not line.startswith(_OWN_LOG)]
        if why:
            parts += [f"ERROR: {why[0].strip()}", *why[1:]]
        return _stream(iter(parts))

    def _line(self, line: str) -> Iterator[object]:
        if line == _RULE:
            yield from self._failed()
            self._excerpt = not self._excerpt
        elif self._excerpt:
            return
        elif match := _LINE.fullmatch(line):
            yield from self._failed()
            yield from self._step(match["number"], match["text"])
        elif not line:
            yield from self._failed()
        elif self._error:
            self._error[1].append(line)
        elif text := _COLOUR.sub("", line):
            yield from self._text(text)

    def _step(self, number: str, text: str) -> Iterator[object]:
        if number == "0":  # of a step that had no number yet when it wrote: the one that is being told of
            number = self._current
        self._current = number
        name = self._names.setdefault(number, text)
        vertex: dict[str, object] = {"digest": f"#{number}", "name": name, "started": _moment(0)}
        done = _DONE.fullmatch(text)
        if text == name:
            if text.startswith(_BUILD):
                self.build = text.removeprefix(_BUILD)
            yield {"vertexes": [vertex]}
        elif text == "CACHED":
            yield {"vertexes": [{**vertex, "completed": _moment(0), "cached": True}]}
        elif done:
            yield {"vertexes": [{**vertex, "completed": _moment(float(done["seconds"]))}]}
        elif text == "CANCELED":
            yield {"vertexes": [{**vertex, "completed": _moment(0), "error": "context canceled"}]}
        elif text.startswith("ERROR: "):
            self._error = number, [text.removeprefix("ERROR: ")]
        elif log := _LOG.fullmatch(text):
            yield {"logs": [{"vertex": f"#{number}", "stream": 1, "data": _encoded(f"{log['text']}\n")}]}

    def _failed(self) -> Iterator[object]:
        """The error of a step, which may be of several lines."""
        if self._error:
            number, lines = self._error
            self._error = None
            vertex = {"digest": f"#{number}", "name": self._names[number], "started": _moment(0)}
            yield {"vertexes": [{**vertex, "completed": _moment(0), "error": "\n".join(lines)}]}

    def _text(self, text: str) -> Iterator[object]:
        if _WARNINGS.match(text.strip()):
            self._warning = True
        elif self._warning and text.startswith(_WARNING):
            yield {"warnings": [{"short": _encoded(text.removeprefix(_WARNING))}]}
        else:
            self._warning = False
            self._loose.append(text)


def _stream(parts: Iterator[object]) -> bytes:
    lines = (part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts)
    return "".join(f"{line}\n" for line in lines).encode()


def _moment(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
