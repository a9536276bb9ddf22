"""A program that runs a task and kills itself at a numbered point: where a file is written, or a manifest deleted.

    python -m support.keep.dying POINT before|after retain --yes

Point 0 is never reached. `before` a file is written means that its content is on the disk, under another name; `after`
a deletion means that the registry has done it, and that nobody knows.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from imageyard.__main__ import main
from imageyard.registry.client import Client

__all__ = ["dying"]


def dying(point: int, when: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wrap functions so that the process is killed at the call number `point` of any of them."""
    count = 0

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            dies = count == point
            if dies and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = function(*given, **more)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return counted

    return wrap


if __name__ == "__main__":
    wrap = dying(int(sys.argv[1]), sys.argv[2])
    os.replace = wrap(os.replace)
    setattr(Client, "delete", wrap(Client.delete))  # noqa: B010  (a method of a class is no variable to mypy)
    sys.argv = ["inv", *sys.argv[3:]]
    main()
