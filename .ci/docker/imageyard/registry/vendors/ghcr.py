"""GitHub's container registry: whose token is used there, where a person makes one, and who else may write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from imageyard.errors import ImageyardError
from imageyard.http.transport import Http
from imageyard.names import Reference
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors.base import Token

__all__ = ["API", "HOST", "GhcrLogin", "open_to"]

HOST = "ghcr.io"
API = "https://api.github.com"
"""Of the forge whose registry it is, whichever forge runs the job."""


class GhcrLogin:
    """GHCR takes a personal access token with `write:packages`, else the job's own.

    The job's token can write packages of its repository where the job has `packages: write` (docs.github.com, "Working
    with the Container registry").
    """

    host = HOST
    variables: tuple[str, ...] = ("GHCR_PAT", "GITHUB_TOKEN")
    permission = "write:packages"
    tokens_page = "https://github.com/settings/tokens"

    def find(self, environ: Mapping[str, str]) -> Token | None:
        """Return the token in the environment, without the white space that pasted ones end in."""
        for name in self.variables:
            if value := environ.get(name, "").strip():
                return Token(name, value)
        return None


def open_to(repository: Reference, credential: Credential | None, http: Http) -> str | None:
    """Who may write a package by way of the repository of code that it is linked to; None where that is not known.

    A package that is linked before it is published, by its label `org.opencontainers.image.source`, inherits that
    repository's access, and every job there may ask for `packages: write` (docs.github.com, "Configuring a package's
    access control and visibility"). The REST API says what a package is linked to, in `repository`, and has no field
    for what it inherits (docs.github.com, "REST API endpoints for packages", version 2022-11-28).
    """
    if credential is None or not credential.password:
        return None
    owner, _, name = repository.repository.partition("/")
    for kind in ("orgs", "users"):
        url = f"{API}/{kind}/{quote(owner, safe='')}/packages/container/{quote(name, safe='')}"
        status, found = _asked(url, credential.password, http)
        if status == 200 and (linked := found.get("repository")) and isinstance(linked, Mapping):
            return (
                f"{repository.name} is linked to the repository {linked.get('full_name')}: every branch there can"
                " write it, unless `Inherit access from source repository` is off in the package's settings, and its"
                " Actions access is Read (GitHub's API does not say it; see docs/security.md)"
            )
        if status != 404:
            return None
    return None


def _asked(url: str, token: str, http: Http) -> tuple[int, Mapping[str, Any]]:
    """The status of an answer and what it says; 0 where there was none: what is only a warning stops nobody."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        reply = http.send("GET", url, headers=headers, again=False)
        found = json.loads(reply.body)
    except (ImageyardError, ValueError, RecursionError):
        return 0, {}
    return reply.status, found if isinstance(found, Mapping) else {}
