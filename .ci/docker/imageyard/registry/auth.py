"""Proving who we are: Basic, and Bearer tokens by scope, fetched once and renewed when they end."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from imageyard.errors import Denied, ImageyardError, Transient
from imageyard.http.connections import is_loopback
from imageyard.http.transport import Http, Reply, shown
from imageyard.process import redact
from imageyard.registry.answers import login_hint, words
from imageyard.registry.challenge import Challenge, parse
from imageyard.registry.credentials import Credential

__all__ = ["Auth", "Scopes", "scope"]

Scopes = tuple[str, ...]
_SHORTEST_LIFE = 60.0  # seconds: what a token without `expires_in` lives (distribution, "Token Authentication")
_MARGIN = 10.0  # seconds before its end from which a token is not used any more
_CLIENT = "imageyard"
_FAILED_FOR = 10.0
"""Seconds for which a token server that failed is not asked again by those who waited in line; a refusal is final."""


def scope(repository: str, *actions: str) -> str:
    """The scope of actions at a repository (distribution, "Token Scope Documentation")."""
    return f"repository:{repository}:{','.join(actions)}"


@dataclass(frozen=True)
class _Token:
    header: str
    ends: float  # monotonic seconds


class Auth:
    """The Authorization headers of every registry, shared by all threads."""

    def __init__(
        self, http: Http, find: Callable[[str], Credential | None], plain: Callable[[str], bool] = is_loopback
    ) -> None:
        """`plain` says of a registry whether it may be spoken to without TLS."""
        self._http = http
        self._find = find
        self._plain = plain
        self._known: dict[str, Credential | None] = {}
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, Scopes], _Token] = {}
        self._failures: dict[tuple[str, Scopes], tuple[ImageyardError, float]] = {}
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()
        self._secrets: set[str] = set()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be shown, so far."""
        with self._lock:
            return tuple(self._secrets)

    def header(self, registry: str, scopes: Scopes) -> str | None:
        """What to send without being asked: what this registry accepted before, None on the first call."""
        challenge = self._challenges.get(registry)
        if challenge is None:
            return None
        return self._header_for(registry, scopes, challenge, stale=None)

    def answer(self, registry: str, scopes: Scopes, reply: Reply, sent: str | None) -> str | None:
        """What to send after a 401, None where all that we have was refused.

        `sent` is the header that was refused. Raises Denied where the token server refuses us or there are no
        credentials, Transient where it does not answer.
        """
        challenge = _offered(reply)
        if challenge is None:
            return None
        self._challenges[registry] = challenge
        fresh = self._header_for(registry, scopes, challenge, stale=sent)
        return None if fresh == sent else fresh

    def prove(self, registry: str, reply: Reply) -> str | None:
        """As `answer`, for no repository: whether our credentials are good at all, as `docker login` asks."""
        challenge = _offered(reply)
        if challenge is None:
            return None
        asked = {name: value for name, value in challenge.parameters.items() if name != "scope"}
        return self._header_for(registry, (), Challenge(challenge.scheme, asked), stale=None)

    def _header_for(self, registry: str, scopes: Scopes, challenge: Challenge, stale: str | None) -> str | None:
        if challenge.scheme == "basic":
            credential = self.credential(registry)
            return f"Basic {credential.basic}" if credential and credential.basic else None
        key = (registry, scopes)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # of many that ask for one scope at once, one fetches
            if (failed := self._failures.get(key)) and failed[1] > self._http.clock.monotonic():
                raise copy(failed[0])
            token = self._tokens.get(key)
            if token is None or token.header == stale or token.ends <= self._http.clock.monotonic():
                try:
                    token = self._tokens[key] = self._fetch(registry, scopes, challenge)
                except ImageyardError as error:
                    lasts = math.inf if isinstance(error, Denied) else _FAILED_FOR
                    self._failures[key] = (error, self._http.clock.monotonic() + lasts)
                    raise
            return token.header

    def credential(self, registry: str) -> Credential | None:
        """Return what the registry is asked with; None where nobody has logged in there."""
        with self._lock:
            lock = self._locks.setdefault(registry, threading.Lock())
        with lock:
            if registry not in self._known:
                credential = self._find(registry)
                self._known[registry] = credential
                with self._lock:
                    self._secrets.update(credential.secrets if credential else ())
            return self._known[registry]

    def _fetch(self, registry: str, scopes: Scopes, challenge: Challenge) -> _Token:
        """Trade a credential, or nothing, for a token: GET with Basic, POST with an identity token.

        Source: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
        """
        realm = challenge.parameters.get("realm", "")
        doing = f"getting a token for {' '.join(scopes) or registry} from {shown(realm)}"
        split = urlsplit(realm)
        near = is_loopback(split.netloc) or split.hostname == urlsplit(f"//{registry}").hostname
        plain = split.scheme == "http" and near and self._plain(registry)
        if not split.netloc or (split.scheme != "https" and not plain):
            raise Transient(f"{registry} names no HTTPS address that gives tokens", doing=doing)
        credential = self.credential(registry)
        asked = challenge.parameters.get("scope")
        wanted = list(dict.fromkeys([*scopes, *([asked] if asked and not scopes else [])]))
        service = challenge.parameters.get("service")
        named = [("service", service)] if service else []
        if credential and credential.identity_token:
            form = [*named, ("client_id", _CLIENT), ("grant_type", "refresh_token"), ("scope", " ".join(wanted))]
            reply = self._http.send(
                "POST",
                realm,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode([*form, ("refresh_token", credential.identity_token)]).encode(),
            )
        else:
            query = urlencode([*named, *(("scope", one) for one in wanted)], quote_via=quote)
            joint = "&" if split.query else "?"
            basic = credential.basic if credential else ""
            headers = {"Authorization": f"Basic {basic}"} if basic else {}
            reply = self._http.send("GET", f"{realm}{joint}{query}", headers=headers)
        return self._read(reply, registry, doing)

    def _read(self, reply: Reply, registry: str, doing: str) -> _Token:
        said = redact(words(reply), self.secrets)
        if reply.status in (400, 401, 403):
            raise Denied(
                f"{registry} refused us a token (HTTP {reply.status}){f': {said}' if said else ''}",
                doing=doing,
                hint=login_hint(registry),
                registry=registry,
            )
        try:
            answer = json.loads(reply.body) if reply.status == 200 else {}
            token = answer.get("token") or answer.get("access_token")
            life = float(answer.get("expires_in") or _SHORTEST_LIFE)
        except (ValueError, TypeError, AttributeError, RecursionError):
            token, life = None, 0.0
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Transient(f"{registry}'s token server gave no token (HTTP {reply.status})", doing=doing)
        with self._lock:
            self._secrets.add(token)
        return _Token(f"Bearer {token}", self._http.clock.monotonic() + max(life, _SHORTEST_LIFE) - _MARGIN)


def _offered(reply: Reply) -> Challenge | None:
    """The challenge that we answer: Bearer before Basic, the first of each."""
    found = {challenge.scheme: challenge for challenge in reversed(parse(reply.headers.get("www-authenticate")))}
    return found.get("bearer") or found.get("basic")
