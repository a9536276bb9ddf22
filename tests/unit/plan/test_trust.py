"""What holds of every decision, whatever the event: random events, and payloads with anything in them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from imageyard.ci.event import decision
from imageyard.ci.providers.github.event import LIMIT, read
from imageyard.plan.caches import caches
from imageyard.plan.decision import repository_of
from imageyard.plan.trust import LOCAL, Decision, Event, EventKind, decide, in_one_repository, is_protected
from imageyard.project.checkout import Checkout
from imageyard.project.project import Project, load_project

PAYLOADS = yaml.safe_load((Path(__file__).parents[2] / "corpus" / "events" / "payloads.yml").read_bytes())
NAMES = [name for name in PAYLOADS if name != "repository"]
PROTECTED = ("main", "release/*")
COMMIT = "5" * 40

REFS = st.one_of(
    st.sampled_from(
        ["refs/heads/main", "refs/heads/release/1", "refs/heads/x", "refs/tags/ciflow/docker/1", "", "main"]
    ),
    st.text(),
    st.text().map("refs/heads/{}".format),
    st.text().map("refs/tags/{}".format),
)
REPOSITORIES = st.sampled_from(["example/images", "contributor/images", ""])
EVENTS = st.builds(
    Event,
    kind=st.sampled_from(get_args(EventKind)),
    name=st.sampled_from(["push", ""]) | st.text(),
    odd=st.sampled_from(["", "", "", "not JSON"]),
    repository=REPOSITORIES,
    repository_is_fork=st.booleans(),
    ref=REFS,
    action=st.sampled_from(["", "opened", "closed"]),
    deleted=st.booleans(),
    number=st.integers(0, 10**12 - 1),
    head=REPOSITORIES,
    commit_on=st.sampled_from(["", "main", "release/1", "x"]),
    commit_unknown=st.text(),
    pattern=st.text(min_size=1),
    force=st.booleans(),
    day=st.just("20260131"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | REFS | st.just(COMMIT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def assert_safe(found: Decision) -> None:
    """What no event may change."""
    places = {"trusted": "registry.test/cache", "branch": "registry.test/cache-branch"}
    written = caches(found, "linux", "amd64", places, gha=True).write  # type: ignore[arg-type]
    assert found.push in (None, found.trust)
    if found.trust == "fork":
        assert (found.push, found.mirror, found.cache_written, found.force) == (None, False, None, False)
    assert not found.mirror or found.trust == "trusted"
    assert found.cache_written is None or repository_of(found.cache_written) == found.trust
    assert found.trust == "trusted" or not any("cache:" in one or "-main" in one for one in written)
    assert found.builds != "nothing" or (found.push, found.cache_written, found.reads) == (None, None, ())
    assert not (found.force or found.no_cache) or found.caches_read == ()
    assert found.trust != "fork" or found.tags == "local" or found.builds == "nothing"
    assert found.reason != ""
    assert found.reason.isprintable()


def reachable(event: Event) -> bool:
    """Whether what the event names is on a protected branch."""
    if event.ref.startswith("refs/tags/"):
        return is_protected(event.commit_on, PROTECTED)
    return event.ref.startswith("refs/heads/") and is_protected(event.ref.removeprefix("refs/heads/"), PROTECTED)


@given(EVENTS)
def test_no_event_may_more_than_it_should(event: Event) -> None:
    found = decide(event, PROTECTED)
    assert_safe(found)
    assert found.trust != "trusted" or reachable(event)
    believed = not event.odd and not event.repository_is_fork
    assert found.trust == "fork" or believed
    if event.kind == "pull request":
        assert found.trust in ("fork", "branch")
        assert found.trust == "fork" or event.head == event.repository != ""


@given(EVENTS)
def test_in_one_repository_only_trusted_runs_write(event: Event) -> None:
    """A catalogue may name one repository; a branch that wrote it would write what `main` takes for its own."""
    decided = decide(event, PROTECTED)
    found = in_one_repository(decided)
    assert_safe(found)
    assert found.push in (None, "trusted")
    assert (found == decided) is (decided.push != "branch")
    if decided.push == "branch":
        assert (found.builds, found.tags, found.reads, found.force) == ("checks", "local", (), False)
        assert "one repository" in found.reason


@given(EVENTS, st.lists(st.text(alphabet="ab/*.", max_size=6)))
def test_no_pattern_makes_it_raise(event: Event, protected: Sequence[str]) -> None:
    assert_safe(decide(event, protected))


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, Any]:
    """A payload of a known event with anything at one or two places in it."""
    name = draw(st.sampled_from(NAMES))
    payload = json.loads(json.dumps(PAYLOADS[name]).replace('"COMMIT"', f'"{COMMIT}"'))
    for _ in range(draw(st.integers(0, 2))):
        place, key = payload, draw(st.sampled_from(sorted(payload)))
        while isinstance(place[key], dict) and place[key] and draw(st.integers(0, 3)):
            place = place[key]
            key = draw(st.sampled_from(sorted(place)))
        place[key] = draw(JSON)
    return name, payload


@given(
    broken() | st.tuples(st.sampled_from(NAMES), JSON), REFS, st.sampled_from(["example/images", "contributor/images"])
)
@example(
    ("push", json.loads(json.dumps(PAYLOADS["push"]).replace("COMMIT", COMMIT))), "refs/heads/main", "example/images"
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_payload_makes_it_raise_or_may_more(
    tmp_path: Path, given_payload: tuple[str, Any], ref: str, repository: str
) -> None:
    """Where there is no git, no tag is known to be on a protected branch."""
    name, payload = given_payload
    file = tmp_path / "event.json"
    file.write_text(json.dumps(payload))
    env = {
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(file),
        "GITHUB_REF": ref,
        "GITHUB_SHA": COMMIT,
        "GITHUB_REPOSITORY": repository,
    }
    found = decide(read(env, tmp_path, PROTECTED), PROTECTED)
    assert_safe(found)
    if found.trust == "trusted":
        assert ref.removeprefix("refs/heads/") in ("main", "release/1")
        assert payload["repository"]["full_name"] == repository
        assert not payload["repository"]["fork"]


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_makes_it_raise(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(content)
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file), "GITHUB_REF": "refs/heads/main"}
    assert decide(read(env, tmp_path, PROTECTED), PROTECTED).trust == "fork"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, f'{{"number": {"1" * 5000}}}'])
def test_deep_and_long_payloads(tmp_path: Path, content: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(content)
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file)}
    assert decide(read(env, tmp_path, PROTECTED), PROTECTED).trust == "fork"


def test_a_payload_without_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    with file.open("wb") as hole:
        hole.truncate(LIMIT * 40)
    found = read({"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file)}, tmp_path, PROTECTED)
    assert found.odd == f"the payload of the event has more than {LIMIT} bytes"


@pytest.mark.parametrize(
    ("pattern", "branch", "expected"),
    [
        ("main", "main", True),
        ("main", "mainly", False),
        ("main", "Main", False),
        ("release/*", "release/2.9", True),
        ("release/*", "release/2.9/fix", False),
        ("release/*", "release/", True),
        ("release/**", "release/2.9/fix", True),
        ("**", "any/thing", True),
        ("*", "any", True),
        ("*", "any/thing", False),
        ("v*.*", "v2.9", True),
        ("v*.*", "v29", False),
        ("v2.9", "v2x9", False),
        ("*", "two\nlines", True),
        ("release/*", "x\nrelease/1", False),
    ],
)
def test_patterns_of_branches(pattern: str, branch: str, expected: bool) -> None:
    assert is_protected(branch, [pattern]) is expected


def test_nothing_protected_means_nothing_trusted() -> None:
    event = Event("push", ref="refs/heads/main", repository="example/images")
    assert decide(event, []).trust == "branch"
    assert decide(event, ["main"]).trust == "trusted"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    file = tmp_path / "images.yml"
    file.write_text("protected: [stable]\nimages: {a: {dockerfile: D, names: {linux: }}}\naxes: {plain: {linux: }}\n")
    return load_project(Checkout(file, tmp_path))


@pytest.mark.parametrize(
    ("env", "trust", "says"),
    [
        ({}, "local", "a person's machine"),
        ({"CI": "false", "GITHUB_ACTIONS": "false"}, "local", "a person's machine"),
        ({"CI": "no"}, "local", "a person's machine"),
        ({"CI": "true"}, "local", "a CI other than GitHub Actions"),
        ({"CI": "1", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/stable"}, "local", "a CI other than"),
        ({"GITHUB_ACTIONS": "true"}, "fork", "GITHUB_EVENT_PATH names no payload"),
        ({"GITHUB_ACTIONS": "yes", "CI": "true"}, "fork", "GITHUB_EVENT_PATH names no payload"),
    ],
)
def test_outside_of_github_a_run_is_a_persons(env: dict[str, str], trust: str, says: str, project: Project) -> None:
    found = decision(project, env)
    assert (found.trust, found.push, found.cache_written, found.mirror) == (trust, None, None, False)
    assert says in found.reason


def test_what_is_protected_is_the_catalogues_to_say(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({**PAYLOADS["push"], "ref": "refs/heads/stable", "after": COMMIT}))
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file), "GITHUB_SHA": COMMIT}
    env |= {"GITHUB_REPOSITORY": "example/images", "GITHUB_REF": "refs/heads/stable"}
    assert decision(project, env).push == "trusted"


@pytest.mark.parametrize(
    ("registry", "branch", "push"),
    [
        ("registry.test/ci", "main", "trusted"),
        ("registry.test/ci", "topic", None),
        ("{trusted: registry.test/ci, branch: registry.test/ci}", "topic", None),
        ("{trusted: registry.test/ci, branch: registry.test/ci-branch}", "topic", "branch"),
    ],
)
def test_a_branch_pushes_where_it_has_a_repository_of_its_own(
    registry: str, branch: str, push: str | None, tmp_path: Path
) -> None:
    catalogue, file = tmp_path / "images.yml", tmp_path / "event.json"
    catalogue.write_text(
        f"registry: {registry}\nprotected: [main]\nimages: {{a: {{dockerfile: D, names: {{linux: }}}}}}\n"
        "axes: {plain: {linux: }}\n"
    )
    ref = f"refs/heads/{branch}"
    file.write_text(json.dumps({**PAYLOADS["push"], "ref": ref, "after": COMMIT}))
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file), "GITHUB_SHA": COMMIT}
    env |= {"GITHUB_REPOSITORY": "example/images", "GITHUB_REF": ref}
    assert decision(load_project(Checkout(catalogue, tmp_path)), env).push == push


def test_a_scheduled_run_without_a_day_takes_todays(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(PAYLOADS["schedule"]))
    env = {"GITHUB_EVENT_NAME": "schedule", "GITHUB_EVENT_PATH": str(file), "GITHUB_REF": "refs/heads/main"}
    found = read(env | {"GITHUB_REPOSITORY": "example/images"}, tmp_path, PROTECTED)
    assert found.odd == ""
    assert re.fullmatch("20[0-9]{6}", found.day)


def test_local_is_what_a_person_may() -> None:
    """No push unless asked, and no cache."""
    assert caches(LOCAL, "linux", "amd64", {"trusted": "r.test/c", "branch": "r.test/b"}).write == ()
    assert (LOCAL.builds, LOCAL.push, LOCAL.mirror, LOCAL.force) == ("asked", None, False, False)
