"""HTTP as a registry needs it: pooled, bounded in size and time, retried, and careful with credentials on redirects."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from imageyard.errors import Transient
from imageyard.http.backoff import Backoff, Clock, Policy, retry_after
from imageyard.http.connections import Connect, Connections, manager

if TYPE_CHECKING:
    import urllib3

__all__ = [
    "AGAIN",
    "MANIFEST_LIMIT",
    "BodyTooLarge",
    "Http",
    "NoAnswer",
    "Reply",
    "TlsRefused",
    "origin_of",
    "shown",
]

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes; OCI distribution-spec 1.1, "Pushing Manifests": registries should take 4 MiB, and few take more."""

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say nothing of what was asked for, and may be others the next time."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_PIECE = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole. Header names are in lower case; `url` is the one that answered, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class NoAnswer(Transient):
    """The host did not answer, or only to say that it cannot now: what it has is not known."""


class BodyTooLarge(NoAnswer):
    """The host's answer is larger than the caller takes; the rest of it was not read."""


class TlsRefused(NoAnswer):
    """The host speaks TLS, and we do not trust its certificate."""


class _Broken(Exception):
    """There was no whole answer. `again` tells whether another try may help, `kind` which error it is at last."""

    def __init__(self, why: str, *, again: bool = True, hint: str = "", kind: type[NoAnswer] = NoAnswer) -> None:
        super().__init__(why)
        self.again = again
        self.hint = hint
        self.kind = kind


class Http:
    """One pool of connections per origin, shared by all threads."""

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        ca: Path | None = None,
        connect: Connect = manager,
    ) -> None:
        """`connect` makes the connections to an origin; a test hands in ones that reach no network."""
        self.policy = policy or Policy()
        self.clock = clock or Clock()
        self.backoff = Backoff(self.policy, self.clock)
        self._ca = ca
        self._connect = connect
        self._pools: dict[str, Connections] = {}
        self._lock = threading.Lock()

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
        last = _Broken("it asked to be left alone for longer than we wait")
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
            except _Broken as broken:
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
                yield Reply(response.status, _lower(response.headers), b"", final), _pieces(response)
            finally:
                response.close()
        except _Broken as broken:
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
            for piece in _pieces(response):
                parts.append(piece)
                size += len(piece)
                if size > limit:
                    raise _Broken(f"its answer is larger than {limit} bytes", again=False, kind=BodyTooLarge)
                if self.clock.monotonic() > deadline:
                    raise _Broken("its answer did not end in time", again=False)
            done = True
            return Reply(response.status, _lower(response.headers), b"".join(parts), final)
        finally:
            if done:
                response.release_conn()
            else:
                response.close()

    def _open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, patience: float
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._once(method, url, headers, body, patience)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None or method not in ("GET", "HEAD"):
                return response, url
            response.drain_conn()
            response.release_conn()
            target = urljoin(url, location)
            if origin_of(target) != origin_of(url):
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if not target.startswith("https://") and (url.startswith("https://") or not target.startswith("http://")):
                raise _Broken(f"it redirects to {shown(target)}, which is not HTTPS", again=False)
            url = target
        raise _Broken(f"more than {_MOST_REDIRECTS} redirects", again=False)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, patience: float
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        try:
            return self._pool(origin_of(url)).urlopen(
                method,
                url,
                body=body,
                headers={"User-Agent": "imageyard", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=min(self.policy.connect, patience), read=patience),
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _broken(error) from None

    def _pool(self, origin: str) -> Connections:
        with self._lock:
            if origin not in self._pools:
                self._pools[origin] = self._connect(origin, self._ca)
            return self._pools[origin]

    @staticmethod
    def _gave_up(host: str, method: str, url: str, last: _Broken, attempts: int) -> NoAnswer:
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        return last.kind(f"{host}: {last}{tries}", doing=f"{method} {shown(url)}", hint=last.hint, registry=host)


def origin_of(url: str) -> str:
    """`SCHEME://HOST:PORT` of a URL: what credentials are bound to."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}".lower()


def shown(url: str) -> str:
    """A URL as it may be shown: signed links carry their secret in the query."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"[:300]


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _pieces(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    import urllib3

    try:
        while piece := response.read1(_PIECE):
            yield piece
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _broken(error) from None


def _broken(error: Exception) -> _Broken:
    """What went wrong below HTTP, in words that do not name our own parts."""
    from urllib3 import exceptions as wrong

    match error:
        case wrong.NameResolutionError():
            return _Broken("its name cannot be resolved", hint="check the spelling of the host, and the network")
        case wrong.SSLError():
            return _tls(error)
        case wrong.ProxyError():
            return _Broken("the proxy of HTTPS_PROXY / HTTP_PROXY does not answer")
        case wrong.NewConnectionError():
            refused = "refused" in str(error).lower()
            return _Broken("the connection was refused" if refused else "no connection")
        case wrong.ConnectTimeoutError():
            return _Broken("no connection in time")
        case wrong.ReadTimeoutError() | TimeoutError():
            return _Broken("no answer in time")
        case wrong.IncompleteRead() | wrong.ProtocolError() | OSError():
            cut = "IncompleteRead" in repr(error)
            return _Broken("its answer was cut off" if cut else "the connection broke")
        case _:
            return _Broken(f"no usable answer ({type(error).__name__})", again=False)


def _tls(error: Exception) -> _Broken:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "not trusted"
        hint = "point SSL_CERT_FILE at the CA bundle that signed the registry's certificate"
        return _Broken(f"its certificate is not trusted: {why}", again=False, hint=hint, kind=TlsRefused)
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text or "HTTP_REQUEST" in text:
        return _Broken("it does not speak TLS (plain HTTP is used only where it is asked for)", again=False)
    return _Broken("the TLS handshake failed", again=False)
