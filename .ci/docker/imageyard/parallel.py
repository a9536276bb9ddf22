"""One function over many values, in threads that an interrupt does not wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

__all__ = ["each"]

A = TypeVar("A")
B = TypeVar("B")


def each(values: Sequence[A], work: Callable[[A], B], workers: int) -> list[B]:
    """`work` of every value, in their order, by at most `workers` threads at once.

    The first exception that `work` raises is raised here, and no more values are begun. The threads are daemons: one
    that waits for a silent host must not hold up the end of the program.
    """
    if len(values) < 2 or workers < 2:
        return [work(value) for value in values]
    results: list[B | None] = [None] * len(values)
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()
    for at in range(len(values)):
        left.put(at)

    def worker() -> None:
        while not stop.is_set():
            try:
                at = left.get_nowait()
            except queue.Empty:
                return
            try:
                results[at] = work(values[at])
            except BaseException as error:
                done.put(error)
                return
            done.put(None)

    for _ in range(min(workers, len(values))):
        threading.Thread(target=worker, daemon=True).start()
    try:
        for _ in values:
            if (error := done.get()) is not None:
                raise error
    finally:
        stop.set()
    return cast("list[B]", results)
