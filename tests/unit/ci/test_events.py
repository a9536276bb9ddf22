"""What a run may do, event by event: payloads in GitHub's form, read from their file and decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from imageyard.ci.providers.github.event import read
from imageyard.plan.trust import Decision, decide
from support.git import sh

pytestmark = pytest.mark.usefixtures("home")

CORPUS = Path(__file__).parents[2] / "corpus" / "events"
PAYLOADS = yaml.safe_load((CORPUS / "payloads.yml").read_bytes())
CASES = yaml.safe_load((CORPUS / "cases.yml").read_bytes())
DECISIONS = CASES.pop("decisions")
PROTECTED = ("main", "release/*")
BEFORE = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkouts(tmp_path: Path) -> dict[str, Path]:
    """A checkout for each place where a case may stand."""
    origin = tmp_path / "origin"
    origin.mkdir()
    sh(origin, "init", "--quiet")
    sh(origin, "commit", "--quiet", "--allow-empty", "--message=one")
    sh(origin, "commit", "--quiet", "--allow-empty", "--message=two")
    sh(origin, "branch", "stale", "HEAD~1")
    for branch in ("release/2.9", "compiler"):
        sh(origin, "checkout", "--quiet", "-b", branch, "main")
        sh(origin, "commit", "--quiet", "--allow-empty", f"--message={branch}")
    sh(origin, "checkout", "--quiet", "main")
    found = {}
    for place in ("main", "release/2.9", "compiler"):
        found[place] = clone(origin, tmp_path / place.replace("/", "-"))
        sh(found[place], "checkout", "--quiet", "--detach", f"origin/{place}")
    found["shallow"] = clone(origin, tmp_path / "shallow", "--depth=1")
    found["alone"] = clone(origin, tmp_path / "alone")
    sh(found["alone"], "remote", "remove", "origin")
    return found


def clone(origin: Path, top: Path, *options: str) -> Path:
    sh(origin, "clone", "--quiet", *options, origin.as_uri(), str(top))
    return top


def laid_over(payload: Mapping[str, Any], changes: Mapping[str, Any], commit: str) -> dict[str, Any]:
    """A payload with other values at dotted keys, and the commit in it."""
    text = json.dumps(payload).replace('"COMMIT"', f'"{commit}"').replace('"BEFORE"', f'"{BEFORE}"')
    found: dict[str, Any] = json.loads(text)
    for key, value in changes.items():
        *folders, last = key.split(".")
        place = found
        for folder in folders:
            place = place[folder]
        place[last] = json.loads(json.dumps(value).replace('"LONG"', f'"{"a" * 1001}"'))
    return found


def environment(name: str, payload: Mapping[str, Any], commit: str) -> dict[str, str]:
    """The variables that GitHub sets for an event with this payload."""
    number = payload.get("number")
    refs = {"pull_request": f"refs/pull/{number}/merge", "merge_group": payload.get("merge_group", {}).get("head_ref")}
    repository = payload.get("repository")
    found = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_REPOSITORY": repository["full_name"] if isinstance(repository, dict) else "example/images",
        "GITHUB_REF": refs.get(name) or (payload.get("ref") if name in ("push", "workflow_dispatch") else None),
        "GITHUB_SHA": commit,
        "GITHUB_BASE_REF": "main" if name == "pull_request" else "",
        "GITHUB_HEAD_REF": "compiler" if name == "pull_request" else "",
        "IMAGEYARD_DAY": "20260131",
    }
    return {key: value if isinstance(value, str) else "refs/heads/main" for key, value in found.items()}


def expected(case: Mapping[str, Any], ref: str) -> dict[str, Any]:
    scope = f"ref-{hashlib.sha256(ref.encode()).hexdigest()[:12]}"
    found: dict[str, Any] = asdict(Decision("fork", "", "")) | DECISIONS[case["is"]] | case.get("but", {})
    named = {key: [scope if one == "ref" else one for one in found[key]] for key in ("reads", "caches_read")}
    written = scope if found["cache_written"] == "ref" else found["cache_written"]
    return {**found, **{key: tuple(value) for key, value in named.items()}, "cache_written": written}


ALL = [pytest.param(event, case, id=f"{event!r} {case['name']}") for event, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), ALL)
def test_the_decision(name: str, case: dict[str, Any], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Only of a tag is git asked anything: all other cases stand where there is no repository."""
    top = request.getfixturevalue("checkouts")[case["at"]] if "at" in case else tmp_path
    commit = sh(top, "rev-parse", "HEAD") if "at" in case else "5" * 40
    payload = laid_over(PAYLOADS[case.get("of", name)], case.get("payload", {}), commit)
    file = tmp_path / "event.json"
    file.write_bytes(case["raw"].encode("latin-1") if "raw" in case else json.dumps(payload).encode())
    env = environment(name, payload, commit) | {"GITHUB_EVENT_PATH": str(file)} | case.get("env", {})
    event = read({key: value for key, value in env.items() if value is not None}, top, PROTECTED)
    found = decide(event, PROTECTED)
    wanted = expected(case, event.ref) | {"event": found.event, "reason": found.reason}
    assert asdict(found) == wanted, found.reason
    assert case.get("says", "") in found.reason
    assert found.reason.isprintable()
    assert found.event.isprintable()


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 80
    assert {case.values[1]["is"] for case in ALL} == set(DECISIONS)  # type: ignore[index, call-overload]
