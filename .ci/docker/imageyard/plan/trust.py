"""What a run may do: from the event that started it to where it may write, what it may read, and which tags it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["LOCAL", "Builds", "Decision", "Repository", "Tags", "Trust"]

Trust: TypeAlias = Literal["local", "fork", "branch", "trusted"]
"""`local`: no CI. `fork`: nothing may be written. `branch`: its own repository and caches. `trusted`: a protected ref."""

Repository: TypeAlias = Literal["trusted", "branch"]
"""The catalogue's repositories, by the trust of those that write them."""

Builds: TypeAlias = Literal["asked", "missing", "all", "checks"]
"""`asked`: what a person names. `missing`: rows that are absent. `all`: every row. `checks`: locally, for their checks."""

Tags: TypeAlias = Literal["content", "weekly", "local"]


@dataclass(frozen=True)
class Decision:
    """What a run may do and does, with the reason in words.

    `push` is the repository that it writes, `reads` are those in which a row counts as there. Caches are named by
    scope: `main`, `pr-17`, `ref-<12 hex>`; `cache_written` None writes none. `force`: the state is not asked;
    `no_cache`: no layer cache is read; `pull`: bases are what their tags name now.
    """

    trust: Trust
    event: str
    reason: str
    builds: Builds = "asked"
    push: Repository | None = None
    reads: tuple[Repository, ...] = ()
    mirror: bool = False
    caches_read: tuple[str, ...] = ()
    cache_written: str | None = None
    tags: Tags = "content"
    force: bool = False
    no_cache: bool = False
    pull: bool = False
    pattern: str = "*"


LOCAL = Decision("local", "none", "no CI: this is a person's machine")
