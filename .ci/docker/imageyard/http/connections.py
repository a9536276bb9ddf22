"""Connections to an origin: whom TLS trusts, which proxy is in between, and the only use of urllib3."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from imageyard.errors import ConfigurationError
from imageyard.http.failures import Broken, TlsRefused

if TYPE_CHECKING:
    import ssl

    import urllib3

__all__ = ["CERTIFICATES", "Connections", "MakePool", "Pool", "Response", "is_loopback", "manager", "origin_of"]


class Pool(Protocol):
    """Connections to one origin, as urllib3's PoolManager has them."""

    def urlopen(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send one request, and return the answer with its body unread. Raises HTTPError or OSError."""


MakePool: TypeAlias = Callable[[str, "Path | None"], Pool]
"""Makes the connections to `SCHEME://HOST:PORT`, with a CA bundle to trust beside the system's."""

CERTIFICATES = Path("/etc/docker/certs.d")
"""Where the Docker engine keeps the CA of a host (docs.docker.com, "Verify repository client with certificates")."""

_PIECE = 64 * 1024


class Response:
    """The head of an answer, header names in lower case, and its body as it arrives."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def pieces(self) -> Iterator[bytes]:
        """Read the body. Raises Broken where it ends early."""
        import urllib3

        try:
            while piece := self._response.read1(_PIECE):
                yield piece
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _broken(error) from None

    def drain(self) -> None:
        """Read what is left of the body, and forget it."""
        self._response.drain_conn()

    def release(self) -> None:
        """Keep the connection for the next request. The body must have been read."""
        self._response.release_conn()

    def close(self) -> None:
        """End the connection."""
        self._response.close()


class Connections:
    """One pool of connections per origin, shared by all threads; `ca` is a bundle trusted beside the system's."""

    def __init__(self, ca: Path | None, make_pool: MakePool) -> None:
        self._ca = ca
        self._make_pool = make_pool
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, connect: float, read: float
    ) -> Response:
        """Send one request, which is neither retried nor redirected; `connect` and `read` are in seconds.

        Raises Broken where there is no answer, ConfigurationError for a bundle of CAs that cannot be read.
        """
        import urllib3

        try:
            return Response(
                self._pool(origin_of(url)).urlopen(
                    method,
                    url,
                    body=body,
                    headers={"User-Agent": "imageyard", **headers},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    timeout=urllib3.Timeout(connect=connect, read=read),
                )
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _broken(error) from None

    def _pool(self, origin: str) -> Pool:
        with self._lock:
            if origin not in self._pools:
                self._pools[origin] = self._make_pool(origin, self._ca)
            return self._pools[origin]


def origin_of(url: str) -> str:
    """`SCHEME://HOST:PORT` of a URL: what credentials are bound to."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}".lower()


def is_loopback(host: str) -> bool:
    """Whether `HOST[:PORT]` is this machine, the only place where plain HTTP needs no leave."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or (name.startswith("127.") and name.replace(".", "").isdigit())


def manager(origin: str, ca: Path | None) -> urllib3.PoolManager:
    """The pool for `SCHEME://HOST:PORT`; `ca` is a bundle trusted beside the system's.

    Raises ConfigurationError for a bundle that cannot be read.
    """
    import urllib3

    split = urlsplit(origin)
    options: dict[str, Any] = {"maxsize": 64, "block": False}
    if split.scheme == "https":
        options["ssl_context"] = _trust(split.netloc, ca)
    proxy = _proxy(split.scheme, split.netloc)
    if proxy is None:
        return urllib3.PoolManager(**options)
    user = urlsplit(proxy)
    if user.username:
        login = f"{user.username}:{user.password or ''}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=login)
    return urllib3.ProxyManager(proxy, **options)


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for `host`, by the rules of `urllib.request`."""
    from urllib.request import getproxies, proxy_bypass

    proxy = None if is_loopback(host) else getproxies().get(scheme)
    if proxy is None or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _trust(host: str, ca: Path | None) -> ssl.SSLContext:
    """The system's CAs (SSL_CERT_FILE and SSL_CERT_DIR replace them), the engine's for this host, and `ca`."""
    import ssl

    context = ssl.create_default_context()
    folder = CERTIFICATES / host
    extra = sorted(folder.glob("*.crt")) if folder.is_dir() else []
    for file in [*extra, *([ca] if ca else [])]:
        try:
            context.load_verify_locations(cafile=str(file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"{file} is not a CA bundle: {error}") from None
    return context


def _broken(error: Exception) -> Broken:
    """What went wrong below HTTP, in words that do not name our own parts."""
    from urllib3 import exceptions as wrong

    match error:
        case wrong.NameResolutionError():
            return Broken("its name cannot be resolved", hint="check the spelling of the host, and the network")
        case wrong.SSLError():
            return _tls(error)
        case wrong.ProxyError():
            return Broken("the proxy of HTTPS_PROXY / HTTP_PROXY does not answer")
        case wrong.NewConnectionError():
            refused = "refused" in str(error).lower()
            return Broken("the connection was refused" if refused else "no connection")
        case wrong.ConnectTimeoutError():
            return Broken("no connection in time")
        case wrong.ReadTimeoutError() | TimeoutError():
            return Broken("no answer in time")
        case wrong.IncompleteRead() | wrong.ProtocolError() | OSError():
            cut = "IncompleteRead" in repr(error)
            return Broken("its answer was cut off" if cut else "the connection broke")
        case _:
            return Broken(f"no usable answer ({type(error).__name__})", again=False)


def _tls(error: Exception) -> Broken:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "not trusted"
        hint = "point SSL_CERT_FILE at the CA bundle that signed the registry's certificate"
        return Broken(f"its certificate is not trusted: {why}", again=False, hint=hint, kind=TlsRefused)
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text or "HTTP_REQUEST" in text:
        return Broken("it does not speak TLS (plain HTTP is used only where it is asked for)", again=False)
    return Broken("the TLS handshake failed", again=False)
