"""What a run may do, by the event that started it, at the CI system that runs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imageyard.ci.providers.logs import in_ci
from imageyard.ci.providers.table import PROVIDERS, provider_of
from imageyard.plan.trust import LOCAL, Decision, decide, in_one_repository
from imageyard.project.project import Project, load_project

if TYPE_CHECKING:
    from imageyard.project.checkout import Checkout

__all__ = ["decision"]


def decision(checkout: Checkout, environ: Mapping[str, str] = os.environ) -> Decision:
    """What this run may do: at a CI system that we know by its event, elsewhere what a person may.

    Another CI has no events that are known here: there a run is a local one, which writes nothing unless it is told to.
    The catalogue of a checkout is read only where the event needs it.
    """
    provider = provider_of(environ)
    if provider.runs_us:
        project = checkout if isinstance(checkout, Project) else load_project(checkout)
        protected, registry = project.catalogue.protected, project.catalogue.registry
        decided = decide(provider.event(project.top, protected), protected)
        return in_one_repository(decided) if registry and registry.trusted == registry.branch else decided
    if in_ci(environ):
        known = " or ".join(make(environ).system for make in PROVIDERS)
        words = f"a CI other than {known}: its events are not known, so nothing is written unless it is asked for"
        return Decision(LOCAL.trust, LOCAL.event, words)
    return LOCAL
