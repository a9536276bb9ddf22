"""Signals that end this program, held back for the moments in which nobody could clean up after them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ENDING", "held"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end this program, each by an exception where the program stands."""


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Hold ending signals back until the function that this gives is called, or the block is left.

    An interrupt between fork and the return of Popen would leave a child that nobody ends. The signals are not masked
    while the child is started, because it would inherit the mask: their handlers only take a note. Python runs
    handlers in the main thread alone, so that other threads have nothing to hold.
    """
    arrived: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {how: handler for how in ENDING if callable(handler := signal.getsignal(how))}

    def set_all(handler_of: Callable[[int], Any]) -> None:
        # Asked first: what arrived just before is raised from the call that masks, after it masked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
            for how in handlers:
                signal.signal(how, handler_of(how))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def let_go() -> None:
        if handlers:
            set_all(handlers.__getitem__)
            handlers.clear()
        while arrived:
            signal.raise_signal(arrived.pop(0))

    try:
        set_all(lambda how: lambda number, frame: arrived.append(number))
        yield let_go
    finally:
        try:
            let_go()
        finally:  # where a signal ended that half-way
            let_go()
