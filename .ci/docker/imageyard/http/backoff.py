"""When a host may be asked again: the clock, the policy of retries, and a back-off per host that recovers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Backoff", "Clock", "Policy", "retry_after"]


@dataclass(frozen=True)
class Clock:
    """The time as this package sees it; tests hand in their own."""

    monotonic: Callable[[], float] = time.monotonic  # seconds, never set back
    now: Callable[[], float] = time.time  # seconds since the epoch
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random  # 0 to 1, spreads out those who wait together


@dataclass(frozen=True)
class Policy:
    """How long, and how often, a registry is asked. All times in seconds."""

    connect: float = 10.0
    read: float = 30.0  # between two pieces of an answer
    budget: float = 120.0  # wall clock of one request, its retries and waits included
    attempts: int = 5  # where the registry does not say when to come back
    first_wait: float = 0.25
    longest_wait: float = 60.0  # the most that a Retry-After is waited for


@dataclass
class _Host:
    failures: int = 0
    ready_at: float = 0.0


@dataclass
class Backoff:
    """One failure at a host slows down everybody who asks it; each success speeds them up again."""

    policy: Policy
    clock: Clock
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, host: str, deadline: float) -> bool:
        """Wait until `host` may be asked; False, at once, where that is past `deadline` (monotonic seconds)."""
        while True:
            with self._lock:
                known = self._hosts.get(host)
                ready_at = known.ready_at if known else 0.0
            now = self.clock.monotonic()
            if ready_at <= now:
                return now < deadline
            if ready_at >= deadline:
                return False
            self.clock.sleep(ready_at - now)

    def failed(self, host: str, after: float | None = None) -> None:
        """`host` failed; `after` is the wait in seconds that it asked for."""
        with self._lock:
            known = self._hosts.setdefault(host, _Host())
            now = self.clock.monotonic()
            if known.ready_at <= now:  # what fails together is one failure, not one per waiting thread
                known.failures += 1
            wait = self.policy.first_wait * 2 ** min(known.failures - 1, 16)
            wait = min(wait, self.policy.longest_wait) * (0.5 + self.clock.chance() / 2)
            if after is not None:
                wait = max(wait, min(after, self.policy.longest_wait))
            known.ready_at = max(known.ready_at, now + wait)

    def succeeded(self, host: str) -> None:
        """`host` answered: half of what was held against it is forgotten."""
        known = self._hosts.get(host)
        if known and known.failures:
            with self._lock:
                known.failures //= 2


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, 10.2.3: seconds, or an HTTP date), None where it says nothing.

    `now` is in seconds since the epoch.
    """
    if value is None:
        return None
    from email.utils import parsedate_to_datetime

    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
