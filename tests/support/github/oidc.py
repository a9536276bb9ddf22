"""GitHub's token service of a job, as a stand-in: it gives signed statements of which job this is.

    with oidc_served.served("repo:acme@1/images@2:ref:refs/heads/main") as oidc:
        run(..., env={**oidc.env})

`oidc.env` holds ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN, which GitHub puts into the
environment of every step of a job with `id-token: write`. `subject`, `life` (seconds), `audience` (None: the one that
is asked for) and `claims`, which are stated beside these, may be changed while it runs; `issued` has every token that
was given. A request is answered as GitHub does (actions/toolkit, packages/core/src/oidc-utils.ts): bearer token,
`audience` in the query, `{"value": JWT}`. Tokens are signed with `key` (HS256, where GitHub has RS256), which
`support.aws.served` checks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from support.registry.faults import Answer, Proxy, running

__all__ = ["ISSUER", "SUBJECT", "Oidc", "claims_of", "served"]

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:acme@1234/images@5678:ref:refs/heads/main"


class Oidc(Proxy):
    """The service; `faults` and `requests` as every stand-in has them."""

    def __init__(self, subject: str, key: bytes) -> None:
        super().__init__(None)
        self.subject = subject
        self.key = key
        self.bearer = f"job-{secrets.token_urlsafe(24)}"
        self.life = 300.0
        self.audience: str | None = None
        self.claims: Mapping[str, str] = {}
        self.issued: list[str] = []

    @property
    def env(self) -> Mapping[str, str]:
        """What a step of a job with `id-token: write` finds in its environment."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://{self.host}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.bearer,
        }

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        if (handler.headers.get("Authorization") or "").lower() != f"bearer {self.bearer}".lower():
            return _json(401, {"$id": "1", "message": "The user is not authorized to access this resource."})
        asked = parse_qs(urlsplit(handler.path).query)
        token = self.sign(self.audience or asked.get("audience", ["https://github.com/acme"])[0])
        return _json(200, {"count": len(token), "value": token})

    def sign(self, audience: str) -> str:
        """A token for `audience`, of the job that `subject` names."""
        now = time.time()
        claims = {"iss": ISSUER, "sub": self.subject, "aud": audience, "iat": now, "exp": now + self.life}
        parts = [{"alg": "HS256", "typ": "JWT"}, {**claims, **self.claims, "jti": secrets.token_hex(8)}]
        text = ".".join(_encode(json.dumps(part).encode()) for part in parts)
        token = f"{text}.{_encode(hmac.digest(self.key, text.encode(), hashlib.sha256))}"
        self.issued.append(token)
        return token


def claims_of(token: str, key: bytes) -> Mapping[str, object] | None:
    """What a token states, None where it is not signed with `key`."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _encode(hmac.digest(key, text.encode(), hashlib.sha256))):
        return None
    middle = text.split(".")[1]
    found: Mapping[str, object] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


@contextmanager
def served(subject: str = SUBJECT, key: bytes | None = None) -> Iterator[Oidc]:
    """The service on a free port, until the block ends."""
    with running(Oidc(subject, key or secrets.token_bytes(32))) as service:
        assert isinstance(service, Oidc)
        yield service


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(status: int, content: object) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, {"Content-Type": "application/json", "Content-Length": str(len(body))}, body)
