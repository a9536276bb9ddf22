"""The event that started a run, as GitHub tells it: in variables, and in a payload that is believed before them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from imageyard import git
from imageyard.errors import ImageyardError
from imageyard.plan.trust import Event, EventKind, is_protected

__all__ = ["DAY", "LIMIT", "kind_of", "queue_base", "read"]

DAY = "IMAGEYARD_DAY"
"""The variable that keeps the jobs of a scheduled run at one day: YYYYMMDD, in UTC."""

LIMIT: Final = 25 * 1024 * 1024
"""The most bytes of a payload (docs.github.com, "Webhook events and payloads")."""

_KINDS: Mapping[str, EventKind] = {
    "push": "push",
    "pull_request": "pull request",
    "merge_group": "merge queue",
    "schedule": "schedule",
    "workflow_dispatch": "manual",
    "repository_dispatch": "outside service",
    "pull_request_target": "on behalf",
    "workflow_run": "on behalf",
}
"""docs.github.com, "Events that trigger workflows": the names, and whose rights a run of each has."""

# git-check-ref-format(1), and no half of a surrogate pair, which nothing can print
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]{1,1000}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class _Odd(Exception):
    """An event that cannot be believed, and why."""


def kind_of(name: str) -> EventKind:
    """Return the kind of the event that GitHub calls `name`."""
    return _KINDS.get(name, "other")


def read(environ: Mapping[str, str], top: Path, protected: Sequence[str]) -> Event:
    """The event that GITHUB_EVENT_NAME names, from the payload that GITHUB_EVENT_PATH names.

    The payload's form is that of GitHub's webhooks (octokit/webhooks, `payload-schemas/api.github.com`); which ref an
    event has is from docs.github.com, "Events that trigger workflows". Nothing in an event makes this raise: what is
    missing, of another type, or contradicted by a variable gives an event that says so. Git is asked about the commit
    of a tag.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    try:
        payload = _payload(environ)
        found: dict[str, Any] = _repository(environ, payload)
        if more := _READERS.get(name):
            found |= more(environ, payload)
        if found.get("ref", "").startswith("refs/tags/") and not found.get("deleted"):
            found |= _commit(environ, top, protected)
        return Event(kind_of(name), name, **found)
    except _Odd as odd:
        return Event(kind_of(name), name, odd=str(odd))


def queue_base(environ: Mapping[str, str]) -> str | None:
    """The commit that a merge group was made on (`merge_group.base_sha`); None for another event, and without one."""
    if environ.get("GITHUB_EVENT_NAME") != "merge_group":
        return None
    try:
        base = _text(_payload(environ), "merge_group.base_sha")
    except _Odd:
        return None
    return base if _COMMIT.fullmatch(base) else None


def _payload(environ: Mapping[str, str]) -> dict[str, Any]:
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        raise _Odd("GITHUB_EVENT_PATH names no payload of the event")
    try:
        if not Path(path).is_file():
            raise _Odd("the payload of the event is missing: GITHUB_EVENT_PATH names no file")
        with Path(path).open("rb") as file:
            content = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        raise _Odd(f"the payload of the event cannot be read: {why}") from None
    if len(content) > LIMIT:
        raise _Odd(f"the payload of the event has more than {LIMIT} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _Odd("the payload of the event is not JSON") from None
    if not isinstance(found, dict):
        raise _Odd("the payload of the event is no JSON object")
    return found


def _repository(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(payload, "repository.full_name")
    if not _REPOSITORY.fullmatch(name):
        raise _Odd("the payload's repository.full_name is no name of a repository")
    _agree(environ, "GITHUB_REPOSITORY", name, "repository.full_name")
    return {"repository": name, "repository_is_fork": _flag(payload, "repository.fork")}


def _push(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    ref = _ref(_text(payload, "ref"), "the payload's ref")
    if _flag(payload, "deleted"):  # the variables speak of the default branch then
        return {"ref": ref, "deleted": True}
    _agree(environ, "GITHUB_REF", ref, "ref")
    commits = [found for key in ("after", "head_commit.id") if (found := _get(payload, key))]
    if environ.get("GITHUB_SHA") not in commits:  # `after` is the tag itself where that is an object of its own
        raise _Odd("GITHUB_SHA is not the commit that the payload says was pushed")
    return {"ref": ref}


def _schedule(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    _text(payload, "schedule")
    ref = _ref(environ.get("GITHUB_REF", ""), "GITHUB_REF")
    if default := _get(payload, "repository.default_branch"):
        _agree(environ, "GITHUB_REF", f"refs/heads/{default}", "repository.default_branch")
    day = environ.get(DAY) or datetime.now(timezone.utc).strftime("%Y%m%d")
    if not re.fullmatch(r"20[0-9]{6}", day):
        raise _Odd(f"{DAY} is no day as YYYYMMDD")
    return {"ref": ref, "day": day}


def _dispatch(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    ref = _ref(_text(payload, "ref"), "the payload's ref")
    _agree(environ, "GITHUB_REF", ref, "ref")
    inputs = _get(payload, "inputs") or {}
    if not isinstance(inputs, dict):
        raise _Odd("the payload's inputs are no JSON object")
    pattern, force = inputs.get("pattern") or "*", inputs.get("force") or False
    if not isinstance(pattern, str) or not pattern.isprintable() or len(pattern) > 1000:
        raise _Odd("the input `pattern` is no pattern of images")
    if force is not True and force not in (False, "true", "false"):  # the payload has booleans as words
        raise _Odd("the input `force` is neither true nor false")
    return {"ref": ref, "pattern": pattern.strip() or "*", "force": force in (True, "true")}


def _repository_dispatch(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    ref = _ref(environ.get("GITHUB_REF", ""), "GITHUB_REF")
    _agree(environ, "GITHUB_REF", f"refs/heads/{_text(payload, 'branch')}", "branch")
    return {"ref": ref, "action": _text(payload, "action")}


def _merge_group(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    ref = _ref(_text(payload, "merge_group.head_ref"), "the payload's merge_group.head_ref")
    _agree(environ, "GITHUB_REF", ref, "merge_group.head_ref")
    return {"ref": ref, "action": _text(payload, "action")}


def _pull_request(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    number, action = _get(payload, "number"), _text(payload, "action")
    if type(number) is not int or not 0 < number < 10**12:
        raise _Odd("the payload's number is no number of a pull request")
    if _get(payload, "pull_request.number") != number:
        raise _Odd("the payload has two numbers for one pull request")
    if _text(payload, "pull_request.base.repo.full_name") != _text(payload, "repository.full_name"):
        raise _Odd("the pull request is into another repository than the one that the event is of")
    ref = f"refs/pull/{number}/merge"
    if action != "closed":  # one that was merged has the branch that it went into
        _agree(environ, "GITHUB_REF", ref, "number")
    for variable, key in (("GITHUB_BASE_REF", "pull_request.base.ref"), ("GITHUB_HEAD_REF", "pull_request.head.ref")):
        if environ.get(variable):
            _agree(environ, variable, _text(payload, key), key)
    return {"ref": ref, "number": number, "action": action, "head": _head(payload)}


def _head(payload: Mapping[str, Any]) -> str:
    """The repository of a pull request's commits; empty where it is gone."""
    if _get(payload, "pull_request.head.repo", required=True) is None:
        return ""
    name = _text(payload, "pull_request.head.repo.full_name")
    ids = [_get(payload, key) for key in ("pull_request.head.repo.id", "pull_request.base.repo.id")]
    if ids != [None, None] and (name == _text(payload, "repository.full_name")) != (ids[0] == ids[1]):
        raise _Odd("the payload's pull request is from this repository by name or by id, not by both")
    return name


_READERS: Mapping[str, Callable[[Mapping[str, str], Mapping[str, Any]], dict[str, Any]]] = {
    "push": _push,
    "schedule": _schedule,
    "workflow_dispatch": _dispatch,
    "repository_dispatch": _repository_dispatch,
    "merge_group": _merge_group,
    "pull_request": _pull_request,
}


def _commit(environ: Mapping[str, str], top: Path, protected: Sequence[str]) -> dict[str, str]:
    """A protected branch of `origin` that contains the commit of a tag, or why it cannot be known whether one does."""
    commit = environ.get("GITHUB_SHA", "")
    if not _COMMIT.fullmatch(commit):
        return {"commit_unknown": "GITHUB_SHA is no commit"}
    try:
        if git.head(top) != commit:
            return {"commit_unknown": "another commit is checked out"}
        if git.is_shallow(top):
            return {"commit_unknown": "the clone is shallow (actions/checkout: fetch-depth: 0)"}
        branches = [one for one in git.remote_branches(top) if is_protected(one, protected)]
        if not branches:
            return {"commit_unknown": "the clone has no protected branch of origin (actions/checkout: fetch-depth: 0)"}
        found = git.containing(top, commit, branches)
    except ImageyardError as error:
        return {"commit_unknown": f"git does not say: {error.headline}"}
    return {"commit_on": found[0]} if found else {}


def _get(payload: Mapping[str, Any], key: str, *, required: bool = False) -> Any:
    """What stands at a dotted key; None where it is not there."""
    found: Any = payload
    for part in key.split("."):
        if not isinstance(found, dict) or (required and part not in found):
            if required or found is not None:
                raise _Odd(f"the payload has no {key}")
            return None
        found = found.get(part)
    return found


def _text(payload: Mapping[str, Any], key: str) -> str:
    found = _get(payload, key, required=True)
    if not isinstance(found, str) or not found:
        raise _Odd(f"the payload's {key} is no text")
    return found


def _flag(payload: Mapping[str, Any], key: str) -> bool:
    found = _get(payload, key)
    if found is not None and not isinstance(found, bool):
        raise _Odd(f"the payload's {key} is neither true nor false")
    return bool(found)


def _ref(text: str, what: str) -> str:
    if not _REF.fullmatch(text):
        raise _Odd(f"{what} is no full name of a ref")
    return text


def _agree(environ: Mapping[str, str], variable: str, expected: str, key: str) -> None:
    if environ.get(variable) != expected:
        raise _Odd(f"{variable} contradicts the payload's {key}")
