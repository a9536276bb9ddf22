"""The layer caches of a row: which are read and written, as the catalogue, the run and its surroundings have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from imageyard.plan.caches import Caches, caches

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.ci.providers.base import Provider
    from imageyard.plan.trust import Decision, Repository

__all__ = ["of", "passed"]


def of(catalogue: Catalogue, row: Row, decision: Decision, provider: Provider) -> Caches:
    """The caches of a row; none where the catalogue names none, and none on a person's machine."""
    settings = _settings(catalogue)
    places = {trust: str(settings[trust]) for trust in ("trusted", "branch") if trust in settings}
    repositories = cast("Mapping[Repository, str]", places)
    return caches(decision, row.name, row.arch, repositories, gha=bool(passed(catalogue, provider)))


def passed(catalogue: Catalogue, provider: Provider) -> dict[str, str]:
    """What of the environment a builder's client needs for caches; empty where GitHub's cache is not used."""
    return dict(provider.cache_variables()) if _settings(catalogue).get("gha") else {}


def _settings(catalogue: Catalogue) -> Mapping[str, object]:
    found = catalogue.settings.get("cache")
    return found if isinstance(found, Mapping) else {}
