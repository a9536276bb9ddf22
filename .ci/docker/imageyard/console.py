"""The story that a person reads on standard error, in three forms, and the result that a program reads on the other."""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any, Literal, TextIO, TypeAlias, cast

from imageyard.board import Board, LineBoard, LiveBoard
from imageyard.ci.providers.log import LogCommands
from imageyard.ci.providers.logs import LOGS, LogName, in_ci, log_name
from imageyard.errors import ImageyardError
from imageyard.layout import aligned, lines, visible

__all__ = ["Form", "Level", "Story", "detect", "guard_log"]

Form: TypeAlias = Literal["terminal", "plain"] | LogName
Level: TypeAlias = Literal["notice", "warning", "error"]

_SGR = {"step": "1", "detail": "2", "notice": "36", "warning": "33", "error": "31"}
_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(:(?P<column>\d+))?")


def detect(environ: Mapping[str, str], isatty: bool) -> Form:
    """The form that suits a reader: a CI system's log, a terminal, or anything else (a pipe, another CI, `nox -j`)."""
    if name := log_name(environ):
        return name
    if isatty and environ.get("TERM") != "dumb" and not in_ci(environ):
        return "terminal"
    return "plain"


def guard_log() -> None:
    """Keep a CI system's log from taking for a command what this process writes to standard error past a Story.

    That is what Invoke, Nox and Python itself say there: a reason, a complaint about an argument, a traceback. A
    Story writes its own commands all the same. Where no CI system reads the log, nothing changes.
    """
    log = _log_that_reads_us()
    if log is None or isinstance(sys.stderr, _GuardedStream):
        return
    before = sys.stderr
    guarded = _GuardedStream(before, log)
    atexit.register(guarded.end_line)
    sys.stderr = cast("TextIO", guarded)
    for handler in logging.getLogger().handlers:  # Nox made its own before it read the noxfile
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(guarded)


class Story:
    """Tells what happens: steps, details, folds, tables, warnings, errors. Handed down, never global.

    Text from children may be passed in as it is: control characters are dropped, and no line of it is taken for
    a command of a CI log.
    """

    def __init__(self, form: Form = "plain", stream: TextIO | None = None, *, color: bool = True) -> None:
        self.form: Form = form
        self._log = LOGS.get(form)
        stream = sys.stderr if stream is None else stream
        self._stream = stream.log_itself if isinstance(stream, _GuardedStream) else stream
        self._color = color and form == "terminal"
        self._depth = 0
        self._live: LiveBoard | None = None
        self._lock = RLock()

    @classmethod
    def detect(cls) -> Story:
        """The story that suits this process's standard error; colours unless NO_COLOR is set (no-color.org)."""
        return cls(detect(os.environ, sys.stderr.isatty()), color=not os.environ.get("NO_COLOR"))

    @staticmethod
    def result(value: object) -> None:
        """Write a result to standard output: text, anything else as JSON. A reader that left is no error.

        Control characters of a text, those of a file's name, say, are written out: a terminal would obey them. In a
        CI log no line is a command; JSON stays the same data.
        """
        log = _log_that_reads_us()
        if isinstance(value, str):
            text = visible(value)
            text = "\n".join(map(log.harmless, text.split("\n"))) if log else text
        else:
            text = json.dumps(value, indent=2)
            text = log.harmless_json(text) if log else text
        try:
            _write(sys.stdout, text if text.endswith("\n") or not text else f"{text}\n")
        except OSError as error:
            _to_nowhere(sys.stdout, error)

    def step(self, text: str) -> None:
        """What is being done now."""
        self._tell(text, "step")

    def detail(self, text: str) -> None:
        """What a step has to say, one level in."""
        self._tell(text, "detail", indent="  ")

    def warn(self, text: str) -> None:
        """What a person should know and may ignore."""
        self.annotate("warning", text)

    def error(self, error: ImageyardError | str) -> None:
        """What went wrong: an error with its place, its details and what to type next, or a line of one's own."""
        headline, file, line, rest = str(error), None, None, ""
        if isinstance(error, ImageyardError):
            headline = error.headline
            rest = str(error).partition("\n")[2]
            if error.at and (place := _PLACE.fullmatch(error.at)):
                file, line = place["file"], int(place["line"])
            if self._log is None:
                headline, _, rest = str(error).partition("\n")
                headline, file = headline.removeprefix("error: "), None
        self.annotate("error", headline, file, line)
        if rest:
            self._tell(rest, "")

    def annotate(self, level: Level, message: str, file: str | None = None, line: int | None = None) -> None:
        """A message at a place of the repository: in a CI log an annotation, else `FILE:LINE: LEVEL: MESSAGE`."""
        if self._log:
            self._write(self._log.annotation(level, message, file, line))
            return
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        self._tell(f"{place}{level}: {message}", level)

    def mask(self, value: str) -> None:
        """Have a CI log hide a value from here on; to anybody else nothing is written."""
        if self._log:
            for line in self._log.masks(value):
                self._write(line)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, cut: Collection[str] = ()) -> None:
        """A table in columns; rows too wide for the terminal are written as blocks, never wrapped.

        The cells below the headers `cut` are words, and are cut to the terminal's width first.
        """
        self._tell("\n".join(aligned(headers, rows, self._width(), cut=cut)), "")

    @contextmanager
    def fold(self, title: str) -> Iterator[None]:
        """Put what is told inside under a title that a CI log folds; elsewhere it is indented.

        There are no folds in folds: an inner title is a plain line.
        """
        log = self._log if self._depth == 0 else None
        if log:
            self._write(log.open_fold(title))
        else:
            self.step(title)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if log:
                self._write(log.close_fold())

    @contextmanager
    def board(self, title: str) -> Iterator[Board]:
        """A display for one build, with `title` (the row) on it; see `Board` for what to tell it."""
        if self.form == "terminal" and self._live is None:
            with LiveBoard(title, self._stream, color=self._color) as live:
                self._live = live
                try:
                    yield live
                finally:
                    self._live = None
        elif self._log:
            with self.fold(title), LineBoard(title, lambda text: self._tell(text, ""), logs=True) as board:
                yield board
        else:
            with LineBoard(title, lambda text: self._tell(text, "")) as board:
                yield board

    def _width(self) -> int | None:
        if self.form == "terminal":
            with suppress(OSError, ValueError):  # a stream without a descriptor, or one that is no terminal
                return os.get_terminal_size(self._stream.fileno()).columns or None  # 0: it does not know
        return None

    def _tell(self, text: str, style: str, *, indent: str = "") -> None:
        indent += "  " * self._depth if self._log is None else ""
        told = [f"{indent}{line}".rstrip() for line in lines(text)]
        if self._log:
            told = [self._log.harmless(line) for line in told]
        if self._color and style in _SGR:
            told = [f"\x1b[{_SGR[style]}m{line}\x1b[0m" for line in told]
        self._write("\n".join(told))

    def _write(self, text: str) -> None:
        """One write a message, so that the messages of threads and of parallel rows do not mix within a line."""
        with self._lock:
            if self._live is not None:
                self._live.write(text)
                return
            try:
                _write(self._stream, f"{text}\n")
            except OSError as error:
                _to_nowhere(self._stream, error)


class _GuardedStream:
    """A stream on which each line is written in the form that a CI system's log does not take for a command.

    A line is written once it has ended: a command may come in pieces.
    """

    def __init__(self, stream: TextIO, log: LogCommands) -> None:
        self.log_itself = stream
        self._log = log
        self._begun = ""
        self._lock = RLock()

    def write(self, text: str) -> int:
        """Write the lines that have ended; returns the number of characters that were taken."""
        with self._lock:
            *ended, self._begun = re.split(r"\r\n|\r|\n", self._begun + text)
            self.log_itself.write("".join(f"{self._log.harmless(line)}\n" for line in ended))
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write several texts, one after the other."""
        self.write("".join(texts))

    def end_line(self) -> None:
        """Write what was begun and not ended."""
        if self._begun:
            self.write("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log_itself, name)


def _log_that_reads_us() -> LogCommands | None:
    return LOGS.get(log_name(os.environ) or "")


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _to_nowhere(stream: TextIO, error: OSError) -> None:
    """Let what is still written to a pipe without a reader, or to a terminal that closed, vanish.

    Python's own flush at exit is included. Raises any other error again.
    """
    if error.errno not in (errno.EPIPE, errno.EIO):
        raise error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
