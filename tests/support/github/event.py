"""The surroundings of a job of GitHub Actions: its variables, and the payload of the event that started it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["github", "pull_request", "push", "schedule"]

REPOSITORY = "example/yard"
SHA = "c0ffee00" * 5


def push(folder: Path, ref: str = "refs/heads/main") -> dict[str, str]:
    """A push of a branch or a tag."""
    return github(folder, "push", {"ref": ref, "after": SHA, "deleted": False}, GITHUB_REF=ref, GITHUB_SHA=SHA)


def pull_request(folder: Path, number: int = 17, *, head: str = REPOSITORY) -> dict[str, str]:
    """A pull request, `head` being the repository that it comes from."""
    source = {"ref": "topic", "sha": SHA, "repo": {"full_name": head, "fork": head != REPOSITORY}}
    base = {"ref": "main", "sha": SHA, "repo": {"full_name": REPOSITORY, "fork": False}}
    request = {"number": number, "head": source, "base": base, "state": "open"}
    payload = {"action": "synchronize", "number": number, "pull_request": request}
    return github(folder, "pull_request", payload, GITHUB_REF=f"refs/pull/{number}/merge", GITHUB_SHA=SHA)


def schedule(folder: Path) -> dict[str, str]:
    """The weekly schedule, which runs on the default branch."""
    return github(folder, "schedule", {"schedule": "0 3 * * 6"}, GITHUB_REF="refs/heads/main", GITHUB_SHA=SHA)


def github(folder: Path, event: str, payload: dict[str, Any], **variables: str) -> dict[str, str]:
    """The variables of a job; its payload is written to `folder`."""
    repository = {"full_name": REPOSITORY, "fork": False, "default_branch": "main"}
    file = folder / f"{event}-{uuid4().hex}.json"
    file.write_text(json.dumps({"repository": repository, **payload}))
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(file),
        "GITHUB_REPOSITORY": REPOSITORY,
        **variables,
    }
