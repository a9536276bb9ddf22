"""HTTP as a registry needs it: pooled, bounded in size and time, retried, and careful with credentials on redirects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from imageyard.http.backoff import Backoff, Clock, Policy, retry_after
from imageyard.http.connections import Connections, MakePool, Response, manager, origin_of
from imageyard.http.failures import BodyTooLarge, Broken, NoAnswer

__all__ = [
    "AGAIN",
    "MANIFEST_LIMIT",
    "Http",
    "Reply",
    "origin_of",
    "shown",
]

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes; OCI distribution-spec 1.1, "Pushing Manifests": registries should take 4 MiB, and few take more."""

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say nothing of what was asked for, and may be others the next time."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole. Header names are in lower case; `url` is the one that answered, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Http:
    """One pool of connections per origin, shared by all threads."""

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        ca: Path | None = None,
        make_pool: MakePool = manager,
    ) -> None:
        """`make_pool` makes the connections to an origin; a test hands in ones that reach no network."""
        self.policy = policy or Policy()
        self.clock = clock or Clock()
        self.backoff = Backoff(self.policy, self.clock)
        self._connections = Connections(ca, make_pool)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MANIFEST_LIMIT,
        again: bool = True,
    ) -> Reply:
        """Send a request and read its whole answer, at most `limit` bytes; with `again`, retry what may pass.

        An answer of any status is a Reply. Raises Transient where there was none within the policy's budget.
        """
        host = urlsplit(url).netloc
        deadline = self.clock.monotonic() + self.policy.budget
        attempts = 0
        reply: Reply | None = None
        last = Broken("it asked to be left alone for longer than we wait")
        while self.backoff.wait(host, deadline):
            attempts += 1
            asked: float | None = None
            try:
                reply = self._whole(method, url, headers or {}, body, limit, deadline)
                if reply.status not in AGAIN:
                    self.backoff.succeeded(host)
                    return reply
                asked = retry_after(reply.headers.get("retry-after"), self.clock.now())
                self.backoff.failed(host, asked)
            except Broken as broken:
                reply, last = None, broken
                self.backoff.failed(host)
                if not broken.again:
                    break
            if not again or (asked is None and attempts >= self.policy.attempts):
                break
        if reply is None:
            raise self._gave_up(host, method, url, last, attempts)
        return reply

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str]) -> Iterator[tuple[Reply, Iterator[bytes]]]:
        """GET once and hand over the answer's head and, piece by piece, its body.

        Raises Transient where the connection or the body breaks off.
        """
        host = urlsplit(url).netloc
        if not self.backoff.wait(host, self.clock.monotonic() + self.policy.budget):
            raise NoAnswer(
                f"{host} asked to be left alone for longer than we wait", doing=f"GET {shown(url)}", registry=host
            )
        try:
            response, final = self._open("GET", url, dict(headers), None, self.policy.read)
            if response.status in AGAIN:
                self.backoff.failed(host, retry_after(response.headers.get("retry-after"), self.clock.now()))
            else:
                self.backoff.succeeded(host)
            try:
                yield Reply(response.status, response.headers, b"", final), response.pieces()
            finally:
                response.close()
        except Broken as broken:
            self.backoff.failed(host)
            raise self._gave_up(host, "GET", url, broken, 1) from None

    def _whole(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int, deadline: float
    ) -> Reply:
        patience = min(self.policy.read, max(0.1, deadline - self.clock.monotonic()))
        response, final = self._open(method, url, dict(headers), body, patience)
        done = False
        try:
            parts, size = [], 0
            for piece in response.pieces():
                parts.append(piece)
                size += len(piece)
                if size > limit:
                    raise Broken(f"its answer is larger than {limit} bytes", again=False, kind=BodyTooLarge)
                if self.clock.monotonic() > deadline:
                    raise Broken("its answer did not end in time", again=False)
            done = True
            return Reply(response.status, response.headers, b"".join(parts), final)
        finally:
            if done:
                response.release()
            else:
                response.close()

    def _open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, patience: float
    ) -> tuple[Response, str]:
        for _ in range(_MOST_REDIRECTS + 1):
            connect = min(self.policy.connect, patience)
            response = self._connections.open(method, url, headers, body, connect=connect, read=patience)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None or method not in ("GET", "HEAD"):
                return response, url
            response.drain()
            response.release()
            target = urljoin(url, location)
            if origin_of(target) != origin_of(url):
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if not target.startswith("https://") and (url.startswith("https://") or not target.startswith("http://")):
                raise Broken(f"it redirects to {shown(target)}, which is not HTTPS", again=False)
            url = target
        raise Broken(f"more than {_MOST_REDIRECTS} redirects", again=False)

    @staticmethod
    def _gave_up(host: str, method: str, url: str, last: Broken, attempts: int) -> NoAnswer:
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        return last.kind(f"{host}: {last}{tries}", doing=f"{method} {shown(url)}", hint=last.hint, registry=host)


def shown(url: str) -> str:
    """A URL as it may be shown: signed links carry their secret in the query."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"[:300]
