"""What GitHub's tokens state of our jobs, for those who decide by it which role a job may take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from imageyard.ci.providers.base import Home, KeepingRole, TokenClaims
from imageyard.errors import ConfigurationError, EnvironmentLacks

__all__ = ["KEEPING_JOBS", "branch", "home", "keeping", "of_workflow", "trusted"]

_BUILDS = "docker-builds.yml"
_OURS = (_BUILDS, "docker-cache-cleanup.yml", "wait-for-image.yml")
KEEPING_JOBS: Mapping[KeepingRole, tuple[str, tuple[str, ...]]] = {
    "retention": ("docker-retention", ("docker-retention.yml",)),
    "page": ("docker-page", ("docker-retention.yml",)),
    "backup": ("docker-backup", ("docker-backup.yml", _BUILDS)),
    "recovery": ("docker-recovery", ("docker-recover.yml",)),
}
"""The environment of the jobs that keep images, and the workflows that they are in."""
_CIFLOW = "refs/tags/ciflow/docker/*"
_NAME = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+")
_DOING = "saying which jobs a role is for"

_EXACT, _ANY_DEPTH = -2, -1
"""Kinds of patterns of branches, beside the number of slashes that every branch of a pattern with `*` has."""


def home(environ: Mapping[str, str], name: str | None, number: str | None) -> Home:
    """The repository that is named, else that of the job.

    Raises EnvironmentLacks where neither says it, ConfigurationError for what cannot be a name or a number: a `*` in
    it would let others in.
    """
    name = name or environ.get("GITHUB_REPOSITORY", "")
    number = number or environ.get("GITHUB_REPOSITORY_ID", "")
    if not name or not number:
        raise EnvironmentLacks(
            f"nobody said {'which repository it is' if not name else f'the number of {name}'}",
            doing=_DOING,
            hint=(
                f"inv policies --repository {name or 'OWNER/NAME'} --repository-id NUMBER",
                f"gh api repos/{name or 'OWNER/NAME'} --jq .id    (the number)",
            ),
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"--repository takes OWNER/NAME, not {name!r}", doing=_DOING)
    if not re.fullmatch("[0-9]+", number):
        raise ConfigurationError(
            f"--repository-id takes a number, not {number!r}", doing=_DOING, hint=f"gh api repos/{name} --jq .id"
        )
    return Home(name, number)


def trusted(
    home: Home,
    protected: Sequence[str],
    environments: Sequence[str],
    *,
    tags: bool,
    files: Sequence[str] = (_BUILDS,),
) -> tuple[TokenClaims, ...]:
    """Claims of workflows as a protected branch has them, in one of the environments; one value for each kind.

    `job_workflow_ref` is `OWNER/NAME/.github/workflows/FILE@REF`, REF that of the run where the file is in the same
    repository (docs.github.com, "OpenID Connect reference"). Protected patterns are those of `is_protected`, whose `*`
    stops at a slash, and that of `TokenClaims.like` does not: what has more slashes than the pattern is unlike it.
    Raises ConfigurationError for a pattern with both `*` and `**`.
    """
    equal = {"repository_id": (home.number,), "environment": tuple(environments)}
    found = []
    for kind, patterns in groupby(sorted(dict.fromkeys(protected), key=_kind), key=_kind):
        names = [f"refs/heads/{re.sub('[*]+', '*', one)}" for one in patterns]
        refs = tuple(_workflow(home, file, name) for file in files for name in names)
        if kind == _EXACT:
            found.append(TokenClaims({**equal, "job_workflow_ref": refs}))
        elif kind == _ANY_DEPTH:
            found.append(TokenClaims(equal, {"job_workflow_ref": refs}))
        else:
            deeper = tuple(_workflow(home, file, f"refs/heads/{'*/' * (kind + 1)}*") for file in files)
            found.append(TokenClaims(equal, {"job_workflow_ref": refs}, {"job_workflow_ref": deeper}))
    if tags:
        found.append(TokenClaims(equal, {"job_workflow_ref": (_workflow(home, _BUILDS, _CIFLOW),)}))
    return tuple(found)


def keeping(home: Home, protected: Sequence[str], role: KeepingRole) -> tuple[TokenClaims, ...]:
    """Claims of the workflows that keep images, as a protected branch has them, in the environment of their role."""
    environment, files = KEEPING_JOBS[role]
    return trusted(home, protected, (environment,), tags=False, files=files)


def branch(home: Home) -> TokenClaims:
    """Claims of our workflows at any ref: another workflow, with a fault of its own, gets no role by them."""
    return TokenClaims(
        {"repository_id": (home.number,)}, {"job_workflow_ref": tuple(_workflow(home, file, "*") for file in _OURS)}
    )


def of_workflow(home: Home, workflow: str, environment: str) -> TokenClaims:
    """Claims of jobs of one repository that run one workflow file, at one ref, in one environment; equal, all of them.

    The number tells a repository from another one that got its name, and the name tells it from itself after it went
    to another owner. Of a reusable workflow `job_workflow_ref` names the called file and the ref that it was called
    at, whoever calls; all other claims are of the caller (docs.github.com, "OpenID Connect reference", and "Using
    OpenID Connect with reusable workflows").
    """
    return TokenClaims(
        {
            "repository_id": (home.number,),
            "repository": (home.name,),
            "environment": (environment,),
            "job_workflow_ref": (workflow,),
        }
    )


def _kind(pattern: str) -> int:
    stars = set(re.findall("[*]+", pattern))
    if not stars:
        return _EXACT
    if "*" not in stars:
        return _ANY_DEPTH
    if len(stars) > 1:
        raise ConfigurationError(
            f"the pattern {pattern!r} cannot be told to others: it has both * and **",
            doing=_DOING,
            hint="write it as several patterns under `protected`",
        )
    return pattern.count("/")


def _workflow(home: Home, file: str, ref: str) -> str:
    return f"{home.name}/.github/workflows/{file}@{ref}"
