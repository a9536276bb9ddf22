"""Log in to registries, and say by which roles."""

from __future__ import annotations

import os

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, task

__all__ = ["TASKS"]


@task(
    changes=True,
    instead="inv ci.decide: where this run may write",
    ghcr="at GHCR too, outside CI; the token is in GHCR_PAT",
    as_branch="at ECR by the role of branches, whatever the ref: for jobs that write nothing that is trusted",
    role="the ARN of the role that this job takes, at ECR and for the bucket of backups; empty: none",
    catalogue=CATALOGUE,
)
def login(
    context: Context,
    ghcr: bool = False,
    as_branch: bool = False,
    role: str | None = None,
    catalogue: str | None = None,
) -> object:
    """Log in where this run may write, into a private Docker folder; prints its path, for DOCKER_CONFIG."""
    from imageyard.access.login import log_in
    from imageyard.ci.event import decision
    from imageyard.errors import ConfigurationError
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    services, decided = begin(project), decision(project)
    if role is not None and (as_branch or decided.is_local):
        raise ConfigurationError(
            "--role is for a job that takes a role by its token, and that alone",
            hint="outside CI: export AWS_PROFILE=...",
        )
    folder = log_in(
        project.catalogue,
        services.reporter,
        services.registry(),
        services.provider,
        decided,
        os.environ,
        with_ghcr=ghcr,
        as_branch=as_branch,
        as_role=role,
    )
    return str(folder)


@task(
    changes=False,
    repository="OWNER/NAME of the repository whose jobs take the roles; default: that of this job",
    repository_id="its number, which no other repository ever has; default: that of this job",
    tags="let runs of tags ciflow/docker/* take the trusted role: only where none but maintainers make such tags",
    catalogue=CATALOGUE,
)
def policies(
    context: Context,
    repository: str | None = None,
    repository_id: str | None = None,
    tags: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the policies of the roles at AWS as JSON: by role, who may take it and what it may do."""
    from imageyard.access import aws_policies
    from imageyard.iam import TRUST_LIMIT, policy_length
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    services = begin(project)
    home = services.provider.home(repository, repository_id)
    found = aws_policies.policies(project.catalogue, services.provider, home, tags=tags)
    for name, role in found.items():
        if "trust" in role and (length := policy_length(role["trust"])) > TRUST_LIMIT:
            services.reporter.warn(
                f"the trust policy of {name} has {length} characters; AWS takes {TRUST_LIMIT},"
                " or as many as the account's quota `Role trust policy length` says"
            )
    return found


TASKS = [login, policies]
