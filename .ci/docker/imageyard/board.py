"""What a build shows while it runs: finished steps line by line, or a live board on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from imageyard.layout import duration, one_line, step_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

__all__ = ["Board", "LineBoard", "LiveBoard"]

HEARTBEAT = 60.0
"""Seconds without a line after which a plain board says what it waits for: CI services end a job that says nothing."""


class Board(Protocol):
    """What a builder tells of its progress. `name` is the step as BuildKit words it, the same at its start and end."""

    def step_started(self, name: str) -> None:
        """A step runs."""

    def step_cached(self, name: str) -> None:
        """A step was taken from the cache."""

    def step_done(self, name: str, seconds: float) -> None:
        """A step ended well."""

    def log(self, line: str) -> None:
        """A step wrote a line."""


class LineBoard:
    """One line a finished step, with the row in front, so that the output of parallel rows can be told apart.

    `logs` also shows what the steps write: for CI services that fold it away.
    """

    def __init__(
        self,
        title: str,
        write: Callable[[str], None],
        *,
        logs: bool = False,
        heartbeat: float = HEARTBEAT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = title
        self._write = write
        self._logs = logs
        self._clock = clock
        self._running: dict[str, float] = {}
        self._spoke = clock()
        self._heartbeat = heartbeat
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> LineBoard:
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._beats.join()

    def step_started(self, name: str) -> None:
        """Remember it for the heartbeat; a line is written when it is done."""
        self._running[name] = self._clock()

    def step_cached(self, name: str) -> None:
        """One line."""
        self._running.pop(name, None)
        self._say(f"{step_line(name)}  cached")

    def step_done(self, name: str, seconds: float) -> None:
        """One line."""
        self._running.pop(name, None)
        self._say(f"{step_line(name)}  {duration(seconds)}")

    def log(self, line: str) -> None:
        """A line where logs are shown, else nothing: the raw stream of the row is on disk."""
        if self._logs:
            self._say(f"  {_last(line)}")

    def silent_for(self, seconds: float) -> None:
        """Say which step is waited for, if nothing was said for `seconds`."""
        now = self._clock()
        if now - self._spoke < seconds:
            return
        for name, since in list(self._running.items()):
            self._say(f"{step_line(name)}  still running after {duration(now - since)}")

    def _say(self, text: str) -> None:
        self._spoke = self._clock()
        self._write(f"[{self._title}] {text}")

    def _beat(self) -> None:
        while not self._over.wait(self._heartbeat / 4):
            self.silent_for(self._heartbeat)


class LiveBoard:
    """The steps that run, how long for, and the last line they wrote, redrawn in place; finished steps scroll by."""

    def __init__(
        self,
        title: str,
        stream: TextIO,
        *,
        color: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._clock = clock
        self._began = clock()
        self._running: dict[str, float] = {}
        self._done = self._cached = 0
        self._last = ""
        self._screen = Console(file=stream, force_terminal=True, no_color=not color, highlight=False, emoji=False)
        self._live = Live(
            self, console=self._screen, transient=True, redirect_stdout=False, redirect_stderr=False
        )  # what the Story writes comes through `write`

    def __enter__(self) -> LiveBoard:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def write(self, text: str) -> None:
        """Write lines above the board."""
        from rich.text import Text

        self._screen.print(Text.from_ansi(text), soft_wrap=True)

    def step_started(self, name: str) -> None:
        """Show it as running."""
        self._running[name] = self._clock()

    def step_cached(self, name: str) -> None:
        """Count it; a cached step is worth no line of its own."""
        self._running.pop(name, None)
        self._cached += 1

    def step_done(self, name: str, seconds: float) -> None:
        """Let it scroll by with its time."""
        self._running.pop(name, None)
        self._done += 1
        self.write(f"  {step_line(name)}  {duration(seconds)}")

    def log(self, line: str) -> None:
        """Show it as the last word of the build."""
        self._last = _last(line) or self._last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The board as it stands; rich calls it from its own thread, four times a second."""
        from rich.text import Text

        now = self._clock()
        counts = f"{self._done} done, {self._cached} cached"
        texts = [Text(f"{self._title}  {counts}, {duration(now - self._began)}", style="bold")]
        texts += [Text(f"  {step_line(n)}  {duration(now - since)}") for n, since in list(self._running.items())]
        if self._last:
            texts.append(Text(f"  | {self._last}", style="dim"))
        for text in texts:
            text.truncate(options.max_width, overflow="ellipsis")
            yield text


def _last(line: str) -> str:
    """What a terminal would show of a line: a progress bar's last state."""
    return one_line(line.rstrip("\r\n").rpartition("\r")[2])
