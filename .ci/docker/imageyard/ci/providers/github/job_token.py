"""GitHub's signed statement of which job this is, which others take for credentials of their own."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from imageyard.ci.providers.base import IdentityToken
from imageyard.errors import Denied, EnvironmentLacks, Transient
from imageyard.http.connections import is_loopback
from imageyard.http.transport import AGAIN, Http, Reply

__all__ = ["ISSUER", "fetch", "in_reach"]

ISSUER = "https://token.actions.githubusercontent.com"
"""Who signs tokens, where a token does not say it (docs.github.com, "OpenID Connect reference")."""

_URL, _BEARER = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_DOING = "asking GitHub for the token of this job"
_CLAIMS = (
    "iss", "aud", "repository", "repository_id", "environment", "job_workflow_ref", "workflow_ref", "sub", "ref", "sha",
    "run_id", "run_attempt", "actor",
)  # fmt: skip


def in_reach(environ: Mapping[str, str]) -> bool:
    """Whether this job may ask: GitHub sets both variables where it has `id-token: write`, and forks never have."""
    return bool(environ.get(_URL) and environ.get(_BEARER))


def fetch(environ: Mapping[str, str], audience: str, http: Http, hide: Callable[[str], None]) -> IdentityToken:
    """A token for `audience` (actions/toolkit, `packages/core/src/oidc-utils.ts`); `hide` hears of each secret first.

    Raises EnvironmentLacks where the address is not HTTPS, Denied where GitHub refuses, Transient where it does not
    answer.
    """
    url, bearer = environ[_URL], environ[_BEARER]
    hide(bearer)
    split = urlsplit(url)
    if split.scheme != "https" and not (split.scheme == "http" and is_loopback(split.netloc)):
        raise EnvironmentLacks(
            f"{_URL} is not an HTTPS address", doing=_DOING, hint="it is GitHub's runner that sets it"
        )
    joint = "&" if split.query else "?"
    reply = http.send(
        "GET",
        f"{url}{joint}audience={quote(audience, safe='')}",
        headers={"Authorization": f"Bearer {bearer}", "Accept": "application/json; api-version=2.0"},
    )
    value = _read(reply, split.netloc)
    hide(value)
    return IdentityToken(value, {"iss": ISSUER, **_claims(value)})


def _read(reply: Reply, host: str) -> str:
    if reply.status in AGAIN:
        raise Transient(f"{host} does not answer (HTTP {reply.status})", doing=_DOING, hint="run the job again")
    if reply.status != 200:
        raise Denied(
            f"{host} gives this job no token (HTTP {reply.status})",
            doing=_DOING,
            hint="the job needs `permissions: id-token: write`, and its request token ends with the job",
        )
    try:
        value = json.loads(reply.body)["value"]
    except (ValueError, LookupError, TypeError, RecursionError):
        value = None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Transient(f"{host} gave no token", doing=_DOING, hint="run the job again")
    return value


def _claims(token: str) -> Mapping[str, str]:
    """What the token states, unchecked: it is who takes it that believes it or not; empty where it cannot be read."""
    try:
        middle = token.split(".")[1]
        stated = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return {name: str(stated[name]) for name in _CLAIMS if name in stated}
    except (LookupError, ValueError, TypeError, binascii.Error, RecursionError):
        return {}
