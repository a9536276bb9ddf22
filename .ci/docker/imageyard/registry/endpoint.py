"""Where a registry is reached: its API host, and whether by TLS or by plain HTTP."""

from __future__ import annotations

import threading
from collections.abc import Collection

from imageyard.errors import Transient
from imageyard.http.connections import is_loopback
from imageyard.http.failures import TlsRefused
from imageyard.http.transport import Http

__all__ = ["Endpoints"]

_HUB = "registry-1.docker.io"
"""The API host of Docker Hub (distribution/reference knows it as docker.io)."""
_SILENCE = 60.0
"""Seconds for which one that did not answer is not asked by which scheme it speaks: every reference would wait."""


class Endpoints:
    """The origin of each registry, found once."""

    def __init__(self, http: Http, insecure: Collection[str] = ()) -> None:
        """`insecure` names the hosts (`HOST[:PORT]`) that are spoken to by plain HTTP."""
        self._http = http
        self._insecure = frozenset(insecure)
        self._origins: dict[str, str] = {}
        self._silent_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def plain_allowed(self, registry: str) -> bool:
        """Whether this registry may be spoken to without TLS."""
        return registry in self._insecure or is_loopback(registry)

    def origin(self, registry: str) -> str:
        """`https://HOST`, or `http://HOST` where the caller said so or where this machine's own registry has no TLS."""
        if registry in ("docker.io", "index.docker.io"):
            return f"https://{_HUB}"
        if registry in self._insecure:
            return f"http://{registry}"
        if not is_loopback(registry):
            return f"https://{registry}"
        with self._lock:
            if registry not in self._origins:
                now = self._http.clock.monotonic()
                if now < self._silent_until.get(registry, now):
                    return f"http://{registry}"
                if (scheme := self._probe(registry)) is None:
                    self._silent_until[registry] = self._http.clock.monotonic() + _SILENCE
                    return f"http://{registry}"  # not answering now: let the real request say so, and ask again later
                self._origins[registry] = f"{scheme}://{registry}"
            return self._origins[registry]

    def _probe(self, registry: str) -> str | None:
        """Ask for `/v2/`, without credentials. A TLS server that is asked in plain answers 400, or hangs up."""
        try:
            reply = self._http.send("GET", f"http://{registry}/v2/", again=False)
            if reply.status != 400 or b"HTTPS" not in reply.body:
                return "http"
        except Transient:
            pass
        try:
            self._http.send("GET", f"https://{registry}/v2/", again=False)
        except TlsRefused:
            return "https"
        except Transient:
            return None
        return "https"
