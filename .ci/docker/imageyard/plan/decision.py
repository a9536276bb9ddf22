"""A decision about a run: its values, and what they mean for the code that builds, reads, logs in and publishes.

Every question about a decision has a name here. Nobody else compares its strings, so the policy can be read in one
place and tested over all decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from imageyard.errors import assert_never

__all__ = ["LOCAL", "MAIN", "Builds", "Decision", "Repository", "Tags", "Trust", "repository_of"]

Trust: TypeAlias = Literal["local", "fork", "branch", "trusted"]
"""`local`: no CI. `fork`: nothing is written. `branch`: its own repository and caches. `trusted`: a protected ref."""

Repository: TypeAlias = Literal["trusted", "branch"]
"""The catalogue's repositories, by the trust of those that write them."""

Builds: TypeAlias = Literal["asked", "missing", "all", "checks", "nothing"]
"""`asked`: what a person names. `missing`: rows that are absent. `all`: every row. `checks`: here, for their checks."""

Tags: TypeAlias = Literal["content", "weekly", "local"]

MAIN = "main"
"""The scope of the caches of every protected branch."""


@dataclass(frozen=True)
class Decision:
    """What a run may do and does, with the reason in words.

    `push` is the repository that it writes, `reads` are those in which a row counts as there. Caches are named by
    scope: `main`, `pr-17`, `ref-<12 hex>`; `cache_written` None writes none. `force`: the state is not asked;
    `no_cache`: no layer cache is read; `pull`: bases are what their tags name now. `day` (YYYYMMDD, UTC) is in the
    tags of a weekly build. `backup`: what the run publishes is copied to the bucket by a job of its own.
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
    day: str = ""
    backup: bool = False

    @property
    def is_local(self) -> bool:
        """Whether a person started the run on a machine of their own, and says where it writes."""
        return self.trust == "local"

    @property
    def may_log_in(self) -> bool:
        """Whether the run may use credentials: a run that anybody may have started uses none."""
        return self.trust != "fork"

    @property
    def logs_in_as(self) -> Repository:
        """The repository whose role the run takes at AWS, where there is a role for each."""
        return "branch" if self.trust == "branch" else "trusted"

    @property
    def may_read_engine(self) -> bool:
        """Whether an image that is already in the engine is used. On a runner, a run of less trust may have put it."""
        return self.is_local

    @property
    def may_mirror(self) -> bool:
        """Whether the run may copy images to the mirrors: a person may always ask for it."""
        return self.is_local or self.mirror

    @property
    def publishes(self) -> bool:
        """Whether the run publishes by itself, without being told where."""
        return self.push is not None

    @property
    def is_published_by_nobody(self) -> bool:
        """Whether nobody publishes what the run is of: it is in CI and publishes nothing. A person waits for others."""
        return not self.is_local and not self.publishes

    def publishes_to(self, repository: Repository) -> bool:
        """Whether the run publishes to this repository by itself."""
        return self.push == repository

    def may_publish_to(self, repository: Repository) -> bool:
        """Whether the run may publish to this repository when it is told to."""
        return self.is_local or (self.publishes and (repository == "branch" or self.publishes_to("trusted")))

    @property
    def may_replace_trusted(self) -> bool:
        """Whether a forced build may replace what is in the trusted repository: in CI nothing does."""
        return self.is_local

    @property
    def creates_repositories_of(self) -> Repository | None:
        """The repository that the run creates at the registry if it is missing; None creates nothing."""
        return "trusted" if self.is_local else self.push

    @property
    def touches(self) -> frozenset[Repository]:
        """The repositories that the run reads or writes, images and caches alike."""
        return frozenset(("trusted", "branch")) if self.is_local else frozenset((self.push or "branch", *self.reads))

    def writes_cache_of(self, repository: Repository) -> bool:
        """Whether the run writes its layer cache, and this repository has it."""
        return self.cache_written is not None and repository_of(self.cache_written) == self.trust == repository

    @property
    def cache_mount_namespace(self) -> str | None:
        """The namespace of the run's cache mounts, so that runs of different trust share none; None for a person."""
        return None if self.is_local else self.trust

    @property
    def uses_locked_bases(self) -> bool:
        """Whether bases are those of `images.lock`; a weekly build takes what their tags name now."""
        return self.tags != "weekly"

    @property
    def builds_nothing(self) -> bool:
        """Whether there is nothing to build."""
        return self.builds == "nothing"

    @property
    def builds_for_checks_only(self) -> bool:
        """Whether rows are built to be checked, and kept by nobody."""
        return self.builds == "checks"

    @property
    def builds_every_row(self) -> bool:
        """Whether rows are built whatever their state."""
        return self.builds == "all"

    @property
    def asks_for_state(self) -> bool:
        """Whether the state of a row in the repositories that are read decides if it is built."""
        return not self.force and self.builds in ("missing", "asked") and bool(self.reads)

    def tag(self, content: str, name: str, arch: str) -> str:
        """Return the tag of an image in this run, given the tag of its content.

        `arch` is `-ARCH`, or empty. A tag that is local already stays as it is.
        """
        if content.endswith("-local"):
            return content
        match self.tags:
            case "content":
                return content
            case "weekly":
                return f"{name}-weekly-{self.day}{arch}"
            case "local":
                return f"{content}-local"
            case _:
                assert_never(self.tags)

    def reading_by_content(self) -> Decision:
        """Return the decision of a run that reads images by their content, also where its own are weekly."""
        return replace(self, tags="content")

    def published_tag(self, content: str, name: str, arch: str) -> str:
        """Return the tag under which this run reads an image, given the tag of its content and `arch` as in `tag`.

        It is the tag that this run gives. A run whose tags stay on one machine reads what other runs published.
        """
        return content if self.tags == "local" else self.tag(content, name, arch)


LOCAL = Decision("local", "none", "no CI: this is a person's machine")


def repository_of(scope: str) -> Repository:
    """The repository, by trust, that has the caches of a scope."""
    return "trusted" if scope == MAIN else "branch"
