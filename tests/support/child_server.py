"""Servers in processes of their own that say on standard error where they listen."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["listening"]


@contextmanager
def listening(argv: Sequence[str], where: str) -> Iterator[str]:
    """What the first group of the pattern `where` finds in a line that the server writes; it is killed at the end."""
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr
    drain = threading.Thread(target=child.stderr.read, daemon=True)  # a full pipe would stop it
    said: list[str] = []
    try:
        for line in child.stderr:
            said.append(line.decode(errors="replace"))
            if match := re.search(where, said[-1]):
                break
        else:
            raise AssertionError(f"{argv[0]} did not start:\n{''.join(said)}")
        drain.start()
        yield match[1]
    finally:
        child.kill()
        child.wait()
        if drain.ident is not None:
            drain.join()
        child.stderr.close()
