"""BuildKit's `rawjson` stream cut into its status objects and the lines of plain text around them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["Splitter", "Status"]

Status: TypeAlias = dict[str, object]
"""`SolveStatus` of BuildKit, client/graph.go: vertexes, statuses, logs, warnings."""


class Splitter:
    """Takes the stream in any chunks; gives what is complete: a status object, or a line of text.

    buildx 0.29 writes an object a line, 0.13 writes it indented over many. Its own messages, of which the last says why
    a build failed, come as plain lines in the same stream.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._object: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Status | str]:
        """What `chunk` completes."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Status | str]:
        """What is left when the stream ends, whole or not."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        if rest:
            yield from self._line(rest)
        yield from self._drop()

    def _line(self, line: str) -> Iterator[Status | str]:
        bare = line.rstrip("\r")
        if self._object and (bare == "}" or bare.startswith(" ")):
            self._object.append(bare)
            if bare == "}":
                status = _parsed("\n".join(self._object))
                if status is None:
                    yield from self._drop()
                else:
                    self._object = []
                    yield status
            return
        yield from self._drop()
        if bare == "{":
            self._object = [bare]
        else:
            status = _parsed(bare) if bare.startswith("{") else None
            yield bare if status is None else status

    def _drop(self) -> Iterator[str]:
        """Hand out an object that turned out to be none, as the text it is."""
        lines, self._object = self._object, []
        yield from lines


def _parsed(text: str) -> Status | None:
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None
