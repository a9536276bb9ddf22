"""Commands of a scratch repository that are killed at every request that changes something at the registry."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from support.registry.faults import Answer, Proxy
from support.yard.publishing import PublishingYard


class Stalling(Proxy):
    """Numbers the requests that change something, and the first after the tag was given; never answers `at`."""

    def __init__(self, upstream: str, tag: str) -> None:
        super().__init__(upstream)
        self.tag = tag
        self.at = 0
        self.count = 0
        self.tagged = False
        self.reached = threading.Event()

    def stall(self, at: int) -> None:
        self.at, self.count, self.tagged = at, 0, False
        self.reached.clear()

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        with self.lock:
            counts = handler.command in ("PUT", "POST", "PATCH") or self.tagged
            self.count += counts
            self.tagged = False
            stalls = counts and self.count == self.at
        if stalls:
            self.reached.set()
            self.ended.wait(300)
            raise ConnectionError
        answer = super().forward(handler, body)
        with self.lock:
            self.tagged |= handler.command == "PUT" and handler.path.endswith(f"/manifests/{self.tag}")
        return answer


def killed_everywhere(port: PublishingYard, proxy: Stalling, *command: str) -> Iterator[str]:
    """Kill a command at every numbered point, each in a repository of its own, whose name comes before and after.

    The first round is not killed: it tells how many points there are.
    """
    proxy.stall(0)
    done = port.inv(*command)
    assert done.code == 0, done.all
    points = proxy.count
    assert points > 2
    for point in range(1, points + 1):
        name = f"{port.name}-branch{point}"
        port.write("images.yml", re.sub(r"branch: \S+}", f"branch: {port.host}/{name}}}", port.text("images.yml")))
        yield name
        proxy.stall(point)
        with port.start(["inv", *command]) as child:
            assert proxy.reached.wait(60), f"there is no point {point} of {points}"
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        proxy.stall(0)
        yield name
