"""The policy of a repository, out of the catalogue's section `retention`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from imageyard.keep.retention_facts import RetentionPolicy

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.keep.retention_facts import RepositoryKind

__all__ = ["WINDOW", "kept_branches", "policy_of", "window_of"]

WINDOW = timedelta(days=30)
"""How far back commits keep their images, unless the catalogue says."""

_BRANCH_CONTENT = timedelta(days=14)
_AGES = ("weekly", "temporary", "versions", "cache", "pulled", "grace")


def policy_of(
    catalogue: Catalogue, kind: RepositoryKind, *, most: int | None = None, share: float | None = None
) -> RetentionPolicy:
    """The policy for a repository; `most` and `share` (0 to 1) replace the catalogue's caps for one run."""
    section = _section(catalogue)
    backed_up = section.get("backed_up", ()) if kind == "trusted" else ()  # `inv backup` saves what is trusted
    policy = RetentionPolicy(
        pins=tuple(section.get("pins", ())),
        temporaries=tuple(section.get("temporaries", ())),
        backed_up=frozenset(backed_up),
    )
    ages: dict[str, Any] = {name: timedelta(seconds=section[name]) for name in _AGES if name in section}
    content = section.get("branch" if kind == "branch" else "trusted")
    if content is not None:
        ages["content"] = timedelta(seconds=content)
    elif kind == "branch":
        ages["content"] = _BRANCH_CONTENT
    caps: dict[str, Any] = {"most": int(section["most"])} if "most" in section else {}
    caps |= {"share": int(str(section["share"]).rstrip("%")) / 100} if "share" in section else {}
    caps |= {} if most is None else {"most": most}
    caps |= {} if share is None else {"share": share}
    return replace(policy, **ages, **caps)


def kept_branches(catalogue: Catalogue) -> tuple[str, ...]:
    """The patterns of the branches whose commits keep their images."""
    return tuple(_section(catalogue).get("branches", catalogue.protected))


def window_of(catalogue: Catalogue) -> timedelta:
    """How far back the commits of these branches keep their images."""
    seconds = _section(catalogue).get("window")
    return WINDOW if seconds is None else timedelta(seconds=seconds)


def _section(catalogue: Catalogue) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", catalogue.settings.get("retention") or {})
