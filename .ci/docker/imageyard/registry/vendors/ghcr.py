"""GitHub's container registry: whose token is used there, and where it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imageyard.http.connections import is_loopback
from imageyard.names import Reference
from imageyard.registry.credentials import Credential

__all__ = ["HOST", "TOKENS_PAGE", "VARIABLES", "Token", "find", "is_ours"]

HOST = "ghcr.io"
TOKENS_PAGE = "https://github.com/settings/tokens"
"""Where a person makes a token."""

VARIABLES = ("GHCR_PAT", "GITHUB_TOKEN")
"""Where a token is looked for: a personal access token with `write:packages`, else the job's own, which can write
packages of its repository where the job has `packages: write` (docs.github.com, "Working with the Container registry").
"""


@dataclass(frozen=True)
class Token:
    """A token of GitHub, and the variable that holds it."""

    variable: str
    value: str = field(repr=False)

    def credential(self, user: str | None, actor: str | None, repository: Reference) -> Credential:
        """As the registry takes it; it asks for some user name and looks at the token only."""
        return Credential(user or actor or repository.repository.partition("/")[0], self.value)


def find(environ: Mapping[str, str]) -> Token | None:
    """The token in the environment, without the white space that pasted ones end in."""
    for name in VARIABLES:
        if value := environ.get(name, "").strip():
            return Token(name, value)
    return None


def is_ours(host: str) -> bool:
    """Whether GitHub's token may be sent there: to GitHub, or to a registry of this machine that stands for it."""
    return host == HOST or is_loopback(host)
