"""A token server and the gate that asks for its tokens, in front of a registry, as the Docker token protocol has it."""

from __future__ import annotations

import base64
import json
import secrets
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from support.registry.faults import Answer, Proxy

_NEEDS = {"GET": "pull", "HEAD": "pull", "PUT": "push", "POST": "push", "PATCH": "push", "DELETE": "delete"}


class Bearer(Proxy):
    """Gives tokens to `users` (name -> password, or `<token>` -> identity token), and lets only these pass."""

    def __init__(self, upstream: str | None, users: dict[str, str] | None = None) -> None:
        super().__init__(upstream)
        self.users = users
        self.tokens: dict[str, set[str]] = {}
        self.issued = 0

    def expire(self) -> None:
        """From now on no token given so far is good."""
        self.tokens.clear()

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        path = urlsplit(handler.path)
        if path.path == "/token":
            return self._token(handler, body)
        parts = path.path.removeprefix("/v2/")
        for stop in ("/manifests/", "/blobs/", "/tags/", "/referrers/"):
            parts = parts.partition(stop)[0]
        needed = f"{parts}:{_NEEDS[handler.command]}"
        shown = (handler.headers.get("Authorization") or "").removeprefix("Bearer ")
        if needed in self.tokens.get(shown, set()):
            del handler.headers["Authorization"]
            return None
        realm = f'Bearer realm="http://{self.host}/token",service="stand-in",scope="repository:{parts}:pull"'
        return _json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}, realm)

    def _token(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        asked = parse_qs(urlsplit(handler.path).query or body.decode())
        if not self._knows(handler, asked):
            return _json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong name or password"}]})
        assert asked["service"] == ["stand-in"]
        granted = set()
        for scope in " ".join(asked.get("scope", [])).split():
            _, repository, actions = scope.split(":")
            granted |= {f"{repository}:{action}" for action in actions.split(",")}
        self.issued += 1
        token = secrets.token_urlsafe(24)
        self.tokens[token] = granted
        name = "access_token" if handler.command == "POST" else "token"
        return _json(200, {name: token, "expires_in": 300})

    def _knows(self, handler: BaseHTTPRequestHandler, asked: dict[str, list[str]]) -> bool:
        if self.users is None:
            return True
        if handler.command == "POST":
            good = asked.get("grant_type") == ["refresh_token"] and "client_id" in asked
            return good and asked.get("refresh_token") == [self.users.get("<token>", "")]
        basic = (handler.headers.get("Authorization") or "").removeprefix("Basic ")
        name, _, password = base64.b64decode(basic).decode().partition(":")
        return bool(name) and self.users.get(name) == password


def _json(status: int, content: object, challenge: str = "") -> Answer:
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Answer(status, headers | ({"WWW-Authenticate": challenge} if challenge else {}), body)
