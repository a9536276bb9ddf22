"""A registry of this machine under the name of another, as a client sees it that looks for `HOST` on the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from imageyard.http.connections import MakePool, Pool, manager

__all__ = ["named"]


def named(host: str, served: str) -> MakePool:
    """Make connections to `https://HOST` that end at `served` (`HOST:PORT`), and all others as ever."""

    def make_pool(origin: str, ca: Path | None) -> Pool:
        return _Elsewhere(origin, served) if urlsplit(origin).netloc == host else manager(origin, ca)

    return make_pool


class _Elsewhere:
    def __init__(self, origin: str, served: str) -> None:
        self.origin, self.place = origin, f"http://{served}"
        self.pool = manager(self.place, None)

    def urlopen(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        return self.pool.urlopen(method, url.replace(self.origin, self.place, 1), **options)
