"""The objects of a bucket over HTTP, as a content network in front of it serves them: a page by what is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from imageyard.lanes.simple_index import JSON_TYPE
from support.lanes.memory_s3 import Stored

__all__ = ["ServedIndex", "served_index"]


class ServedIndex(ThreadingHTTPServer):
    """`log` has the paths that were asked for; only what lies below `index/` and `files/` is served."""

    daemon_threads = True

    def __init__(self, objects: Mapping[str, Stored], has_json: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = objects
        self.has_json = has_json
        self.log: list[str] = []

    def url(self, channel: str = "stable") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/index/acme/{channel}/simple/"

    def asked(self, ending: str) -> list[str]:
        return [path for path in self.log if path.endswith(ending)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ServedIndex

    def do_GET(self) -> None:
        key = unquote(self.path.partition("?")[0]).lstrip("/")
        self.server.log.append(key)
        if key.endswith("/"):
            wants = self.server.has_json and JSON_TYPE in self.headers.get("Accept", "")
            key += "index.v1_json" if wants else "index.html"
        found = self.server.objects.get(key) if key.startswith(("index/", "files/")) else None
        body = found.body if found else b"not found"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", (found.media_type if found else "") or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if found and found.cache:
            self.send_header("Cache-Control", found.cache)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def served_index(objects: Mapping[str, Stored], has_json: bool) -> Iterator[ServedIndex]:
    """Serve until the block ends."""
    server = ServedIndex(objects, has_json)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
