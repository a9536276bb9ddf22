"""GitHub's REST API of one repository, and its packages, as far as our jobs ask it: issues, comments, pull requests."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "acme/images"


@dataclass
class GitHub:
    """What the repository has; `refuse` are the statuses that the next requests get, `later` their Retry-After."""

    url: str = ""
    token: str = "github-token-of-the-job"
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path: orgs/acme/packages/container/ci
    versions: dict[str, list[Any]] = field(default_factory=dict)  # of packages, by the same paths
    kept: dict[str, str] = field(default_factory=dict)  # versions by their number, and why they are not deleted
    pages: list[str] = field(default_factory=list)  # of versions, as they were asked for
    refuse: list[int] = field(default_factory=list)
    later: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {"GITHUB_API_URL": self.url, "GITHUB_TOKEN": self.token, "GITHUB_REPOSITORY": REPOSITORY}

    def answer(self, method: str, path: str, query: dict[str, str], content: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if self.refuse:
            return self.refuse.pop(0), {"message": "refused by the test"}
        if method == "GET" and path in ("issues", "pulls"):
            wanted = [one for one in getattr(self, path) if one["state"] == query.get("state", "open")]
            start = (int(query["page"]) - 1) * int(query["per_page"])
            return 200, wanted[start : start + int(query["per_page"])]
        if method == "GET" and (match := re.fullmatch(r"pulls/(\d+)", path)):
            found = [one for one in self.pulls if one["number"] == int(match[1])]
            return (200, found[0]) if found else (404, {"message": "Not Found"})
        if method == "POST" and path == "issues":
            self.open(content["title"], content["body"])
            return 201, self.issues[-1]
        if method == "POST" and (match := re.fullmatch(r"issues/(\d+)/comments", path)):
            self.comments.append((int(match[1]), content["body"]))
            return 201, {}
        return 404, {"message": "Not Found"}

    def package(self, method: str, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """A package, a page of its versions, or the deletion of one."""
        name, _, rest = path.partition("/versions")
        if name not in self.packages:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            if why := self.kept.get(rest.strip("/")):
                return 400, {"message": why}
            kept = [one for one in self.versions[name] if str(one["id"]) != rest.strip("/")]
            status = 204 if len(kept) < len(self.versions[name]) else 404
            self.versions[name] = kept
            return status, None
        if path == name:
            return 200, self.packages[name]
        self.pages.append(f"page={query['page'][0]}")
        start = (int(query["page"][0]) - 1) * int(query["per_page"][0])
        return 200, self.versions[name][start : start + int(query["per_page"][0])]

    def open(self, title: str, body: str, *, kind: str = "Bot") -> None:
        number = len(self.issues) + 1
        self.issues.append(
            {
                "number": number,
                "title": title,
                "body": body,
                "state": "open",
                "user": {"type": kind},
                "html_url": f"https://github.example/{REPOSITORY}/issues/{number}",
            }
        )


@contextmanager
def github() -> Iterator[GitHub]:
    """GitHub on a free port of this machine."""
    made = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            prefix = f"/repos/{REPOSITORY}/"
            if self.headers.get("Authorization") != f"Bearer {made.token}":
                status, found = 401, {"message": "Bad credentials"}
            elif url.path.startswith(("/orgs/", "/users/")):
                made.asked.append(f"{self.command} {url.path[1:]}")
                status, found = made.package(self.command, url.path[1:], parse_qs(url.query))
            elif not url.path.startswith(prefix):
                status, found = 404, {"message": "Not Found"}
            else:
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                content = json.loads(body) if body else None
                status, found = made.answer(self.command, url.path.removeprefix(prefix), query, content)
            data = json.dumps(found).encode() if status != 204 else b""
            self.send_response(status)
            if made.later and status >= 400:
                self.send_header("Retry-After", made.later)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield made
        server.shutdown()
        thread.join()
