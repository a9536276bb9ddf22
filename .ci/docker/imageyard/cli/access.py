"""Log in to registries."""

from __future__ import annotations

import os

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, task

__all__ = ["TASKS"]


@task(
    changes=True,
    instead="inv ci.decide: where this run may write",
    ghcr="at GHCR too, outside CI; the token is in GHCR_PAT",
    catalogue=CATALOGUE,
)
def login(context: Context, ghcr: bool = False, catalogue: str | None = None) -> object:
    """Log in where this run may write, into a private Docker folder; prints its path, for DOCKER_CONFIG."""
    from imageyard.access.login import log_in
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    services, decided = begin(project), decision(project)
    folder = log_in(
        project.catalogue,
        services.reporter,
        services.registry(),
        services.provider,
        decided,
        os.environ,
        with_ghcr=ghcr,
    )
    return str(folder)


TASKS = [login]
