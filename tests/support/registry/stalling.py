"""A proxy that numbers some requests and never answers one of them, so that a test kills who asked."""

from __future__ import annotations

import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler

from support.registry.faults import Answer, Proxy

__all__ = ["Stalling"]


class Stalling(Proxy):
    """Numbers the requests by `methods`, and never answers the one at `at`; `after` has it done first."""

    def __init__(self, upstream: str, methods: Collection[str]) -> None:
        super().__init__(upstream)
        self.methods = methods
        self.at, self.count, self.after = 0, 0, False
        self.reached = threading.Event()

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        with self.lock:
            self.count += handler.command in self.methods
            stalls = handler.command in self.methods and self.count == self.at
        if stalls:
            if self.after:
                super().forward(handler, body)
            self.reached.set()
            self.ended.wait(300)
            raise ConnectionError
        return super().forward(handler, body)
