"""What an answer of a registry means: absent, denied, or not known; and the registry's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.http.failures import NoAnswer
from imageyard.http.transport import AGAIN, Reply
from imageyard.process import redact

__all__ = ["codes", "failure", "is_absent", "login_hint", "words"]

_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"})
"""OCI distribution-spec 1.1, "Error Codes"; NOT_FOUND is Harbor's for an artifact (goharbor/harbor, `lib/errors`)."""
_LONGEST = 300


def codes(reply: Reply) -> tuple[str, ...]:
    """The error codes of the registry's error document, none where the body is not one."""
    return tuple(code for code, _ in _errors(reply))


def words(reply: Reply) -> str:
    """What the registry said, on one line, without control characters, at most 300 characters."""
    said = "; ".join(": ".join(filter(None, pair)) for pair in _errors(reply))
    if not said and reply.body:
        kind = reply.headers.get("content-type", "").partition(";")[0].strip() or "unnamed"
        said = f"a body of type {kind} instead of a registry's error document"
    return _line(said)


def is_absent(reply: Reply) -> bool:
    """Whether a 404 is a registry's word for "I do not have it".

    It is where an error document says so, and where a body is missing but the registry names itself by
    `Docker-Distribution-Api-Version`: the specification lets a body be left out. A page of a proxy is not.
    """
    if reply.status != 404:
        return False
    if not reply.body:
        return reply.headers.get("docker-distribution-api-version", "").startswith("registry/2")
    said = codes(reply)
    return bool(said) and set(said) <= _ABSENT


def failure(reply: Reply, what: str, registry: str, doing: str, secrets: Iterable[str] = ()) -> ImageyardError:
    """The error for an answer that is not what was asked for; `what` names the thing, `registry` its host."""
    said = redact(words(reply), secrets)
    tail = f": {said}" if said else ""
    status = f"HTTP {reply.status}"
    if reply.status in (401, 403):
        return Denied(
            f"{registry} refused us ({status}){tail}", doing=doing, hint=login_hint(registry), registry=registry
        )
    if is_absent(reply):
        return NotFound(f"{what} is not there ({status}{tail})", doing=doing)
    if reply.status == 405:
        return EnvironmentLacks(f"{registry} does not allow this ({status}){tail}", doing=doing)
    if 400 <= reply.status < 500 and reply.status not in (404, 407, 408, 425, 429) and codes(reply):
        return PolicyRefused(f"{registry} refused {what} ({status}){tail}", doing=doing)
    hint = "try again later, or log in: limits are wider for known users" if reply.status == 429 else ""
    error = NoAnswer if reply.status in AGAIN else Transient
    return error(f"{registry} did not answer for {what} ({status}){tail}", doing=doing, hint=hint, registry=registry)


def login_hint(registry: str) -> str:
    """The command that gives us credentials."""
    if match := re.fullmatch(r"[0-9]+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?", registry):
        return (
            f"aws ecr get-login-password --region {match[1]} | docker login --username AWS --password-stdin {registry}"
        )
    return "docker login" if registry == "docker.io" else f"docker login {registry}"


def _errors(reply: Reply) -> list[tuple[str, str]]:
    try:
        listed = json.loads(reply.body)["errors"]
        found = [(str(entry.get("code", "")), str(entry.get("message", "") or "")) for entry in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return [(code, message) for code, message in found if code or message]


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST].strip()
