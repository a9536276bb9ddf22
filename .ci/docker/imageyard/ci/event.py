"""What a run may do, by the event that started it, at the CI system that runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imageyard.ci.providers.github import environment as github
from imageyard.ci.providers.github.event import read
from imageyard.plan.trust import LOCAL, Decision, decide, in_one_repository
from imageyard.project.project import Project, load_project

if TYPE_CHECKING:
    from imageyard.project.checkout import Checkout

__all__ = ["decision"]

_OFF = ("", "0", "false")


def decision(checkout: Checkout, environ: Mapping[str, str] = os.environ) -> Decision:
    """What this run may do: in GitHub Actions by its event, elsewhere what a person may.

    Another CI has no events that are known here: there a run is a local one, which writes nothing unless it is told to.
    The catalogue of a checkout is read only where the event needs it.
    """
    if github.is_claimed(environ):
        project = checkout if isinstance(checkout, Project) else load_project(checkout)
        protected, registry = project.catalogue.protected, project.catalogue.registry
        decided = decide(read(environ, project.top, protected), protected)
        return in_one_repository(decided) if registry and registry.trusted == registry.branch else decided
    if environ.get("CI", "").lower() not in _OFF:
        words = "a CI other than GitHub Actions: its events are not known, so nothing is written unless it is asked for"
        return Decision(LOCAL.trust, LOCAL.event, words)
    return LOCAL
