"""Where a file of a lane comes from: the repository, the commit and the run that a job's token states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.errors import ConfigurationError

__all__ = ["Origin", "origin_of"]

_OWNED = r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+"
_REF = r"refs/[^\s\x00-\x1f]+"
_WORKFLOW = rf"{_OWNED}(/[A-Za-z0-9._-]+)*/[A-Za-z0-9._ -]+\.ya?ml@({_REF}|[0-9a-f]{{40}})"
_NUMBER = "[1-9][0-9]{0,19}"
_FORMS = {
    "repository": _OWNED,
    "repository_id": _NUMBER,
    "ref": _REF,
    "sha": "[0-9a-f]{40}|[0-9a-f]{64}",
    "workflow_ref": _WORKFLOW,
    "job_workflow_ref": _WORKFLOW,
    "run_id": _NUMBER,
    "run_attempt": _NUMBER,
}
"""The claims that are read, each with its form (GitHub Docs, "OpenID Connect reference"); all others are left out."""


@dataclass(frozen=True)
class Origin:
    """The run that hands a file over.

    `repository` is OWNER/NAME and `number` what the forge numbers it by; `commit` is the hash of the commit of `ref`.
    `workflow` is the file, OWNER/NAME/PATH@REF, that the run is of, `builder` the one whose job signs, which may be of
    another repository. `run` and `attempt` are numbers.
    """

    repository: str
    number: str
    ref: str
    commit: str
    workflow: str
    builder: str
    run: str
    attempt: str


def origin_of(claims: Mapping[str, object], source: str) -> Origin:
    """The origin that claims state, by their names in GitHub's tokens; `source` is how errors name them.

    Raises ConfigurationError for a claim that is missing or has another form: half an origin says nothing.
    """
    for name, form in _FORMS.items():
        value = claims.get(name)
        if not isinstance(value, str) or not re.fullmatch(form, value):
            raise ConfigurationError(
                f"{source} states no {name} that can be read" if name in claims else f"{source} states no {name}",
                doing="saying where a file comes from",
                hint=f"state all of: {', '.join(_FORMS)}",
            )
    said = {name: str(claims[name]) for name in _FORMS}
    return Origin(
        repository=said["repository"],
        number=said["repository_id"],
        ref=said["ref"],
        commit=said["sha"],
        workflow=said["workflow_ref"],
        builder=said["job_workflow_ref"],
        run=said["run_id"],
        attempt=said["run_attempt"],
    )
