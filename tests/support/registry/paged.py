"""A proxy that hands out the tags of a repository in small pages, which Debian's registry does not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from support.registry.faults import Answer, Proxy

__all__ = ["Paged"]


class Paged(Proxy):
    """Has `size` tags on a page; while `ends` is not 0, a page that is not the last says that it is, and counts it."""

    def __init__(self, upstream: str, size: int = 3) -> None:
        super().__init__(upstream)
        self.size = size
        self.ends = 0

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        answer = super().forward(handler, body)
        split = urlsplit(handler.path)
        if not split.path.endswith("/tags/list") or answer.status != 200:
            return answer
        last = parse_qs(split.query).get("last", [""])[0]
        content = json.loads(answer.body)
        tags = [tag for tag in sorted(content["tags"] or []) if tag > last]
        page = json.dumps({**content, "tags": tags[: self.size]}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(page))}
        if len(tags) > self.size:
            with self.lock:
                ends = self.ends > 0
                self.ends -= ends
            if not ends:
                headers["Link"] = f'<{split.path}?last={tags[self.size - 1]}&n={self.size}>; rel="next"'
        return Answer(200, headers, page)
