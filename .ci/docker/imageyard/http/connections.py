"""Connections to one origin: whom TLS trusts, and which proxy is in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from imageyard.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

    import urllib3

__all__ = ["CERTIFICATES", "Connect", "Connections", "is_loopback", "manager"]


class Connections(Protocol):
    """Connections to one origin, as urllib3's PoolManager has them."""

    def urlopen(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send one request, and return the answer with its body unread. Raises HTTPError or OSError."""


Connect: TypeAlias = Callable[[str, "Path | None"], Connections]
"""Makes the connections to `SCHEME://HOST:PORT`, with a CA bundle to trust beside the system's."""

CERTIFICATES = Path("/etc/docker/certs.d")
"""Where the Docker engine keeps the CA of a host (docs.docker.com, "Verify repository client with certificates")."""


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
