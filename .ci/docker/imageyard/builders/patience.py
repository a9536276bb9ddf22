"""How long a builder and a registry are waited for, and what stops a second attempt from running a command twice."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from imageyard.builders.request import BuildRequest, RegistryFailed
from imageyard.builders.worker import Worker
from imageyard.http.backoff import Clock
from imageyard.layout import duration, step_line

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.console import Story

__all__ = ["Connecting", "Guard", "Retries", "WouldRunAgain"]

_PAUSE = 1.0
"""Seconds between two attempts to connect; each of buildx's own takes up to 20 s."""

_EVERY = 60.0
"""Seconds between two lines that say what is waited for."""

_WAITS = (2.0, 10.0, 30.0)
"""Seconds before each further attempt. BuildKit itself asks again within 7 s after a 5xx, and at once after a 429."""

_LONGEST = 300.0
"""The most seconds that a Retry-After is waited for."""

_DID = {"resolve": "a base could not be fetched", "export": "the image could not be pushed"}


class Connecting:
    """The time that a worker is given to start, and what is told meanwhile."""

    def __init__(self, worker: Worker, platform: str, story: Story, clock: Clock) -> None:
        self._budget = worker.connect_timeout
        self._title = f"{worker.address} ({platform})"
        self._story = story
        self._clock = clock
        self._told: float | None = None
        self.restart()

    @property
    def left(self) -> float:
        """Seconds of the budget."""
        return max(0.0, self._budget - self._spent)

    @property
    def _spent(self) -> float:
        return self._clock.monotonic() - self._began

    def restart(self) -> None:
        """The worker did answer: the next connection has the whole budget."""
        self._began = self._clock.monotonic()

    def tell(self, why: str) -> None:
        """Say what is waited for: at first, and then now and then."""
        now = self._clock.monotonic()
        if self._told is None or now - self._told >= _EVERY:
            self._told = now
            spent = f"{duration(self._spent)} of {duration(self._budget)}"
            self._story.step(f"waiting for {self._title}, {spent}: {why}")

    def goes_on(self, why: str) -> bool:
        """Whether there is time for another attempt; if so, wait a little."""
        if self.left <= _PAUSE:
            return False
        self.tell(why)
        self._clock.sleep(_PAUSE)
        return True

    def in_vain(self, why: str) -> str:
        """What to say when the time is over."""
        return f"no worker answered at {self._title} within {duration(self._budget)}: {why}"


class Retries:
    """The further attempts after a registry failed, and the commands that must not be run in them.

    There is none where a command would be run twice for sure: it was cut off, or nothing may come from the cache. Else
    what was run is in the worker's cache; should another worker answer at the address, or the cache have been emptied,
    the guard stops the attempt at the first of these commands.
    """

    def __init__(self, request: BuildRequest, story: Story, clock: Clock) -> None:
        self._request = request
        self._story = story
        self._clock = clock
        self._done = 0
        self.ran: frozenset[str] = frozenset()

    def goes_on(self, failed: RegistryFailed) -> bool:
        """Whether it is worth another attempt; if so, wait as long as the registry asks for."""
        again = failed.ran and (failed.cut_off or self._request.no_cache)
        if failed.denied or again or self._done == len(_WAITS):
            return False
        wait = min(max(_WAITS[self._done], failed.retry_after or 0.0), _LONGEST)
        did = _DID.get(failed.phase, "a registry failed")
        self._story.warn(f"{did}, trying again in {duration(wait)}: {failed.cause}")
        self._clock.sleep(wait)
        self._done += 1
        self.ran |= set(failed.ran)
        return True


class WouldRunAgain(Exception):
    """A command that was run before was about to be run again; the message is its step."""


class Guard:
    """A board that passes everything on, and stops a build before it repeats one of the steps in `ran`."""

    def __init__(self, board: Board, ran: AbstractSet[str]) -> None:
        self._board = board
        self._ran = ran
        self.step_cached = board.step_cached
        self.step_done = board.step_done
        self.log = board.log

    def step_started(self, name: str) -> None:
        """Raises WouldRunAgain for a step that was run before. One that comes from the cache is not started."""
        if name in self._ran:
            raise WouldRunAgain(step_line(name))
        self._board.step_started(name)
