"""What `inv ci.decide` prints: the decision with its reason, for a person and for a machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from imageyard.plan.trust import LOCAL
from support.engine.private import PrivateEngine
from support.github import event as github_event
from support.yard.scratch import Yard, make_yard


@pytest.fixture
def lonely_yard(tmp_path: Path) -> Yard:
    """A scratch repository on a machine without an engine; branches have a repository of their own."""
    made = make_yard(PrivateEngine(f"unix://{tmp_path}/nowhere.sock", "containerd"), tmp_path)
    catalogue, one = made.top / ".ci" / "docker" / "images.yml", f"registry: {made.repository}\n"
    assert one in catalogue.read_text()
    two = f"registry: {{trusted: {made.repository}, branch: {made.repository}-branch}}\n"
    catalogue.write_text(catalogue.read_text().replace(one, two))
    return made


def decided(yard: Yard, env: dict[str, str]) -> dict[str, Any]:
    done = yard.inv("ci.decide", "--json", env=env)
    assert (done.code, done.err) == (0, "")
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_for_a_machine(lonely_yard: Yard, tmp_path: Path) -> None:
    assert decided(lonely_yard, {}) == json.loads(json.dumps(asdict(LOCAL)))
    found = decided(lonely_yard, github_event.push(tmp_path))
    assert (found["trust"], found["push"], found["mirror"]) == ("trusted", "trusted", True)
    found = decided(lonely_yard, github_event.pull_request(tmp_path, 17))
    assert (found["trust"], found["push"], found["cache_written"]) == ("branch", "branch", "pr-17")
    found = decided(lonely_yard, github_event.pull_request(tmp_path, 17, head="elsewhere/yard"))
    assert (found["trust"], found["push"], found["reason"]) == ("fork", None, "pull request 17 is from elsewhere/yard")


def test_for_a_person(lonely_yard: Yard, tmp_path: Path) -> None:
    done = lonely_yard.inv("ci.decide", env=github_event.push(tmp_path))
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert done.code == 0
    assert lines["reason"] == "a push to main, which is protected"
    assert lines["reads"] == "trusted"
    assert lines["mirror"] == "yes"
    assert lines["force"] == "no"


def test_a_tag_on_main_in_the_checkout_of_a_job(lonely_yard: Yard, tmp_path: Path) -> None:
    """The whole history, at a detached HEAD, as actions/checkout leaves it with `fetch-depth: 0`."""
    commit = lonely_yard.git("rev-parse", "HEAD")
    lonely_yard.git("update-ref", "refs/remotes/origin/main", commit)
    lonely_yard.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    lonely_yard.git("checkout", "--quiet", "--detach")
    event = github_event.push(tmp_path, "refs/tags/ciflow/docker/17")
    payload = Path(event["GITHUB_EVENT_PATH"])
    payload.write_text(payload.read_text().replace(github_event.SHA, commit))
    found = decided(lonely_yard, {**event, "GITHUB_SHA": commit})
    assert (found["trust"], found["builds"], found["force"], found["mirror"]) == ("trusted", "all", True, False)

    lonely_yard.git(
        "-c",
        "user.name=Yard",
        "-c",
        "user.email=yard@example.org",
        "commit",
        "--quiet",
        "--allow-empty",
        "--message=Aside",
    )
    aside = lonely_yard.git("rev-parse", "HEAD")
    payload.write_text(payload.read_text().replace(commit, aside))
    found = decided(lonely_yard, {**event, "GITHUB_SHA": aside})
    assert (found["trust"], found["push"], found["force"]) == ("branch", "branch", True)


def test_what_an_event_says_gives_the_log_no_commands(lonely_yard: Yard, tmp_path: Path) -> None:
    hostile = "refs/heads/x\n::error::owned\x1b[2J"
    for env in (github_event.push(tmp_path, hostile), {**github_event.push(tmp_path), "GITHUB_EVENT_NAME": hostile}):
        done = lonely_yard.inv("ci.decide", env=env)
        assert done.code == 0
        assert "\x1b" not in done.all
        assert not [line for line in done.all.splitlines() if line.startswith("::")]
        assert decided(lonely_yard, env)["trust"] == "fork"


def test_what_a_person_may_ask_for_in_ci_is_within_the_decision(lonely_yard: Yard, tmp_path: Path) -> None:
    """Before anything is looked for in an engine or asked of a registry."""
    fork = github_event.pull_request(tmp_path, head="elsewhere/yard")
    for argv, env, says in (
        (("push", "*"), fork, "a run at fork trust publishes nothing"),
        (("push", "*", "--at", "branch"), fork, "a run at fork trust publishes nothing"),
        (("push", "*", "--at", "trusted"), github_event.pull_request(tmp_path), "does not publish at trusted"),
        (("promote", "linux-plain"), fork, "a run at fork trust publishes nothing"),
        (("mirror", "*"), github_event.pull_request(tmp_path), "this run does not mirror"),
        (("mirror", "*"), fork, "this run does not mirror"),
    ):
        done = lonely_yard.inv(*argv, env=env)
        assert done.code == 10, done.all
        assert says in done.err, done.all
