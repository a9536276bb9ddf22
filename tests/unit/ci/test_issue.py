"""One issue for scheduled runs that fail, at a GitHub of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from imageyard.ci.issue import tell
from imageyard.ci.providers.github.provider import GitHub as GitHubActions
from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, Transient
from support.github.served import GitHub, github


@pytest.fixture
def served() -> Iterator[GitHub]:
    with github() as made:
        yield made


def env(served: GitHub, run: str) -> dict[str, str]:
    return {
        **served.env,
        "GITHUB_RUN_ID": run,
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_WORKFLOW": "docker-builds",
    }


def test_the_first_failure_opens_it_and_the_next_ones_are_told_there(served: GitHub) -> None:
    served.open("Something else", "a report")
    served.open("By nobody who is still there", "<!-- imageyard: scheduled builds -->")
    served.issues[-1]["user"] = None  # GitHub's schema of an issue has it nullable
    served.open("A copy", "<!-- imageyard: scheduled builds -->\nnot by a bot", kind="User")
    address = tell(GitHubActions(env(served, "1")))
    assert address == "https://github.example/acme/images/issues/4"
    assert "https://github.example/acme/images/actions/runs/1 of docker-builds failed" in served.issues[3]["body"]
    assert tell(GitHubActions(env(served, "2"))) == address
    assert tell(GitHubActions(env(served, "3"))) == address
    assert len(served.issues) == 4
    assert [(number, text.split()[3].rsplit("/", 1)[-1]) for number, text in served.comments] == [(4, "2"), (4, "3")]


def test_a_closed_one_is_not_told(served: GitHub) -> None:
    tell(GitHubActions(env(served, "1")))
    served.issues[0]["state"] = "closed"
    assert tell(GitHubActions(env(served, "2"))).endswith("/2")


def test_it_is_found_on_a_later_page(served: GitHub) -> None:
    tell(GitHubActions(env(served, "1")))
    mine = served.issues.pop()
    for number in range(150):
        served.open(f"Other {number}", "")
    served.issues.append(mine)
    assert tell(GitHubActions(env(served, "2"))) == mine["html_url"]
    assert len(served.issues) == 151


@pytest.mark.parametrize(
    ("statuses", "error"),
    [
        ([403], Denied),
        ([404], Denied),
        ([410], EnvironmentLacks),
        ([422], ConfigurationError),
        ([501], Transient),
    ],
)
def test_what_github_refuses(served: GitHub, statuses: list[int], error: type[Exception]) -> None:
    served.refuse = statuses
    with pytest.raises(error, match="refused by the test"):
        tell(GitHubActions(env(served, "1")))
    assert not served.issues


def test_a_moment_without_github_is_waited_for(served: GitHub) -> None:
    served.refuse = [502]
    assert tell(GitHubActions(env(served, "1"))).endswith("/1")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"GITHUB_TOKEN": ""}, EnvironmentLacks, "GITHUB_TOKEN is not set"),
        ({"GITHUB_TOKEN": "another"}, Denied, "HTTP 401: Bad credentials"),
        ({"GITHUB_REPOSITORY": "no"}, ConfigurationError, "not OWNER/NAME"),
        ({"GITHUB_API_URL": "http://127.0.0.1:1"}, Transient, "did not answer"),
    ],
)
def test_what_the_job_lacks(served: GitHub, change: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tell(GitHubActions({**env(served, "1"), **change}))
