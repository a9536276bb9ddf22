"""All versions of a package at GitHub's registry, tagged or not, and their deletion, by GitHub's REST API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from imageyard.errors import Denied, Transient
from imageyard.http.transport import Http, Reply
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import is_digest
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors import ghcr
from imageyard.registry.vendors.base import ListedManifest

__all__ = ["delete", "manifests"]

_PAGE = 100
_MOST_PAGES = 10_000
_HINT = "a token with read:packages and delete:packages: https://github.com/settings/tokens"


def manifests(repository: Reference, credential: Credential | None, http: Http) -> list[ListedManifest]:
    """List the versions of a package (docs.github.com, "REST API endpoints for packages", version 2022-11-28).

    A version is a manifest: `name` is its digest, `created_at` its push. Raises Denied or Transient; a page that
    cannot be read ends it, as half a list is none.
    """
    doing = f"listing the versions of {repository.name}"
    address = _address(repository, credential, http, doing)
    found: dict[str, ListedManifest] = {}
    for page in range(1, _MOST_PAGES):
        reply = _ask("GET", f"{address}/versions?per_page={_PAGE}&page={page}", credential, http)
        if reply.status != 200:
            raise _failure(reply, doing)
        versions = _json(reply)
        if not isinstance(versions, list):
            raise Transient("GitHub did not answer with a list of versions", doing=doing)
        for one in versions:
            listed = _listed(one)
            if listed is None:
                raise Transient("GitHub lists a version that cannot be read", doing=doing)
            found[listed.digest] = listed
        if len(versions) < _PAGE:
            return list(found.values())
    raise Transient("GitHub lists versions without an end", doing=doing)


def delete(
    repository: Reference, listed: Sequence[ListedManifest], credential: Credential | None, http: Http
) -> Mapping[str, str]:
    """Delete versions one by one; GitHub's words for each digest that it kept. Raises Denied or Transient."""
    doing = f"deleting versions of {repository.name}"
    address = _address(repository, credential, http, doing)
    refused: dict[str, str] = {}
    for one in listed:
        reply = _ask("DELETE", f"{address}/versions/{one.handle}", credential, http)
        if reply.status in (401, 403):
            raise _failure(reply, doing)
        if reply.status not in (204, 404):
            refused[one.digest] = f"HTTP {reply.status}: {_words(reply)}"
    return refused


def _address(repository: Reference, credential: Credential | None, http: Http, doing: str) -> str:
    """The address of a package, which is an organisation's or a user's."""
    owner, _, name = repository.repository.partition("/")
    for kind in ("orgs", "users"):
        address = f"{ghcr.API}/{kind}/{quote(owner, safe='')}/packages/container/{quote(name, safe='')}"
        reply = _ask("GET", address, credential, http)
        if reply.status == 200:
            return address
        if reply.status != 404:
            raise _failure(reply, doing)
    raise Denied(f"{repository.name} is no package that this token can see", doing=doing, hint=_HINT)


def _ask(method: str, url: str, credential: Credential | None, http: Http) -> Reply:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if credential is not None:
        headers["Authorization"] = f"Bearer {credential.password}"
    return http.send(method, url, headers=headers)


def _listed(one: Any) -> ListedManifest | None:
    try:
        tags = tuple(str(tag) for tag in one["metadata"]["container"]["tags"])
        pushed = datetime.fromisoformat(str(one["created_at"]).replace("Z", "+00:00"))
        digest, handle = str(one["name"]), str(int(one["id"]))
    except (KeyError, TypeError, ValueError):
        return None
    if not is_digest(digest) or pushed.tzinfo is None:
        return None
    return ListedManifest(Digest(digest), tags, pushed, handle=handle)


def _failure(reply: Reply, doing: str) -> Denied | Transient:
    words = f"GitHub answered HTTP {reply.status}: {_words(reply)}"
    return Denied(words, doing=doing, hint=_HINT) if reply.status in (401, 403) else Transient(words, doing=doing)


def _words(reply: Reply) -> str:
    content = _json(reply)
    return str(content.get("message", ""))[:300] if isinstance(content, Mapping) else ""


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
