"""ECR's own registry, as a stand-in in front of an open one: who may read and write what, as `served` has it."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

import urllib3
from support.aws.policy import allowed
from support.registry.faults import Answer, Proxy

__all__ = ["ACCOUNT", "REGION", "Gate", "Principal", "Role", "json_answer"]

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass
class Role:
    """A role, or a user, as it is judged here."""

    arn: str
    permissions: Mapping[str, Any]
    trust: Mapping[str, Any]
    longest: int


@dataclass
class Principal:
    """Whoever signs, or logs in with a password: a session of a role, or a user."""

    name: str
    role: Role
    ends: float


class Account(Protocol):
    """What the registry has to know of the account that it belongs to."""

    principals: dict[str, Principal]  # by access key id
    passwords: dict[str, str]  # password -> access key id

    def repositories(self) -> dict[str, Mapping[str, Any]]: ...


class Gate(Proxy):
    """ECR's registry: lets in who has a password of its API, to what his policy allows, in repositories that exist."""

    def __init__(self, account: Account, upstream: str) -> None:
        super().__init__(upstream)
        self.account = account
        self.refused: list[str] = []  # in words, which the answer to a HEAD does not have

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        basic = (handler.headers.get("Authorization") or "").removeprefix("Basic ")
        name, _, password = base64.b64decode(basic).decode(errors="replace").partition(":")
        principal = self.account.principals.get(self.account.passwords.get(password, ""))
        if name != "AWS" or principal is None:
            realm = f'Basic realm="http://{self.host}/",service="ecr.amazonaws.com"'
            return _error(401, "UNAUTHORIZED", "Not Authorized", realm)
        if principal.ends < time.time():
            return _error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        del handler.headers["Authorization"]
        path = re.fullmatch(r"/v2/(.+?)/(manifests|blobs|tags|referrers)/(.*)", handler.path.partition("?")[0])
        if path is None:
            return None
        repository, kind, rest = path.groups()
        actions = _actions(handler.command, kind, body)
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"
        for action in actions:
            if not allowed([principal.role.permissions], action, arn):
                why = f"User: {principal.name} is not authorized to perform: {action} on resource: {arn}"
                self.refused.append(why)
                return _error(403, "DENIED", why)
        found = self.account.repositories().get(repository)
        if found is None:
            why = f"The repository with name '{repository}' does not exist in the registry with id '{ACCOUNT}'"
            return _error(404, "NAME_UNKNOWN", why)
        if actions == ("ecr:PutImage",) and _held(found, rest) and self._there(handler, body):
            why = f"The image tag '{rest}' already exists in the '{repository}' repository and cannot be overwritten"
            return _error(400, "TAG_INVALID", f"{why} because the tag is immutable.")
        return None

    def _there(self, handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        """Whether the upstream has the tag, with other bytes."""
        accept = {"Accept": handler.headers.get("Content-Type", "")}
        reply = urllib3.request("GET", f"http://{self.upstream}{handler.path}", headers=accept)
        return reply.status == 200 and reply.data != body


def _actions(command: str, kind: str, body: bytes) -> tuple[str, ...]:
    """The permissions that a request of the registry's API wants (Amazon ECR User Guide, "Identity-based policies").

    A blob that comes with the request that ends its upload is uploaded by it.
    """
    match command, kind:
        case "PUT", "manifests":
            return ("ecr:PutImage",)
        case "POST", _:
            return ("ecr:InitiateLayerUpload",)
        case "PATCH", _:
            return ("ecr:UploadLayerPart",)
        case "PUT", _:
            return ("ecr:UploadLayerPart", "ecr:CompleteLayerUpload") if body else ("ecr:CompleteLayerUpload",)
        case "DELETE", _:
            return ("ecr:BatchDeleteImage",)
        case "HEAD", "blobs":
            return ("ecr:BatchCheckLayerAvailability",)
        case _, "blobs":
            return ("ecr:GetDownloadUrlForLayer",)
        case _, "tags":
            return ("ecr:ListImages",)
        case _:
            return ("ecr:BatchGetImage",)


def _held(repository: Mapping[str, Any], tag: str) -> bool:
    held = str(repository.get("imageTagMutability", "MUTABLE")).startswith("IMMUTABLE")
    filters = repository.get("imageTagMutabilityExclusionFilters") or ()
    return held != any(fnmatchcase(tag, one["filter"]) for one in filters) and not tag.startswith("sha256:")


def _error(status: int, code: str, message: str, challenge: str = "") -> Answer:
    return json_answer(status, {"errors": [{"code": code, "message": message}]}, challenge)


def json_answer(status: int, content: object, challenge: str = "") -> Answer:
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Answer(status, headers | ({"WWW-Authenticate": challenge} if challenge else {}), body)
