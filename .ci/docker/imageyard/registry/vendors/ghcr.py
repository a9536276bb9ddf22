"""GitHub's container registry: whose token is used there, and where a person makes one."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.registry.vendors.base import Token

__all__ = ["HOST", "GhcrLogin"]

HOST = "ghcr.io"


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
