"""A gate in front of a registry that gives each user rights by repository, as registries of clouds do.

htpasswd, which Debian's registry has, knows users and no rights: the gate alone knows that password.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from imageyard.http.backoff import Policy
from imageyard.names import Reference
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from support.registry.faults import Answer, Proxy
from support.registry.served import Served

__all__ = ["Gate"]

_REPOSITORY = re.compile(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)/")


class Gate(Proxy):
    """`rights`: user to repository to `pull` or `push`, which holds `pull`. `used`: who was let in, where, for what."""

    def __init__(self, behind: Served) -> None:
        super().__init__(behind.host)
        assert behind.credential
        self._inside = behind.credential
        self.rights: dict[str, Mapping[str, str]] = {}
        self.used: set[tuple[str, str, str]] = set()

    @staticmethod
    def credential(user: str) -> Credential:
        """What a user shows."""
        return Credential(user, f"password of {user}")

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        user = self._user(handler)
        if user is None:
            return _answer(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="tests"'})
        path = urlsplit(handler.path)
        if found := _REPOSITORY.match(path.path):
            action = "pull" if handler.command in ("GET", "HEAD") else "push"
            if not self._may(user, found[1], action):
                return _answer(403, "DENIED", {})
            self.used.add((user, found[1], action))
        for source in parse_qs(path.query).get("from", []):
            if not self._may(user, source, "pull"):  # what cannot be mounted is uploaded (OCI distribution-spec 1.1)
                handler.path = path.path
        del handler.headers["Authorization"]
        handler.headers["Authorization"] = f"Basic {self._inside.basic}"
        return None

    def _may(self, user: str, repository: str, action: str) -> bool:
        return self.rights[user].get(repository) in (action, "push")

    def _user(self, handler: BaseHTTPRequestHandler) -> str | None:
        shown = (handler.headers.get("Authorization") or "").removeprefix("Basic ")
        name = base64.b64decode(shown).decode().partition(":")[0]
        return name if name in self.rights and shown == self.credential(name).basic else None

    def client(self, user: str) -> Client:
        """A client that is this user."""
        return Client(credentials=lambda _: self.credential(user), policy=Policy(attempts=2))

    def login(self, user: str, folder: Path) -> dict[str, str]:
        """The variables of a step that is logged in as this user: a Docker configuration of its own."""
        folder.mkdir(parents=True)
        auths = {self.host: {"auth": self.credential(user).basic}}
        (folder / "config.json").write_text(json.dumps({"auths": auths}))
        return {"DOCKER_CONFIG": str(folder)}

    def reference(self, repository: str, tag: str | None = None) -> Reference:
        return Reference(self.host, repository, tag)


def _answer(status: int, code: str, headers: Mapping[str, str]) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": f"{code.lower()} at the gate"}]}).encode()
    return Answer(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}, body)
