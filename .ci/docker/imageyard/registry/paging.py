"""The next page of a listing: the Link header, followed only where it stays with the registry that was asked."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from imageyard.errors import Transient
from imageyard.http.transport import Reply, origin_of

__all__ = ["next_page"]

_LINK = re.compile(r"<([^<>]*)>\s*((?:;\s*[^,<>]*)*)")
_NEXT = re.compile(r";\s*rel\s*=\s*\"?[^\";]*\bnext\b", re.IGNORECASE)


def next_page(reply: Reply, doing: str) -> str | None:
    """The path and query of the next page, None on the last one (OCI distribution-spec 1.1, "Listing Tags"; RFC 8288).

    The target may be relative to the page, or a URL. Raises Transient where it leads to another host.
    """
    for target, parameters in _LINK.findall(reply.headers.get("link", "")[:16384]):
        if not _NEXT.search(parameters):
            continue
        url = urljoin(reply.url, target)
        split = urlsplit(url)
        if split.netloc != urlsplit(reply.url).netloc:
            raise Transient(f"the next page is said to be at another host, {origin_of(url):.100}", doing=doing)
        return f"{split.path}?{split.query}" if split.query else split.path
    return None
