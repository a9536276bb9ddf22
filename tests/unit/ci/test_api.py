"""How GitHub's API is asked: what is repeated and when, and lists of many pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from imageyard.ci.providers.github.api import Api
from imageyard.ci.providers.github.forge import GitHubForge
from imageyard.errors import Transient
from imageyard.http.backoff import Clock
from imageyard.http.transport import Http
from support.github.served import GitHub, github


@pytest.fixture
def served() -> Iterator[GitHub]:
    with github() as made:
        yield made


class Time:
    """A clock that only goes on where somebody waits."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.waits.append(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.at, now=lambda: self.at, sleep=self.sleep, chance=lambda: 1.0)


def api(served: GitHub, time: Time) -> Api:
    return Api(served.env, Http(clock=time.clock))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(served: GitHub, status: int) -> None:
    time = Time()
    served.refuse = [status, status]
    assert api(served, time).ask("GET", "pulls", query={"page": "1", "per_page": "1"}) == []
    assert time.waits == [0.25, 0.5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 501])
def test_an_answer_is_not_asked_for_again(served: GitHub, status: int) -> None:
    time = Time()
    served.refuse = [status]
    with pytest.raises(Exception, match=f"GitHub answered HTTP {status}: refused by the test"):
        api(served, time).ask("GET", "pulls")
    assert served.asked == ["GET pulls"]
    assert time.waits == []


def test_what_does_not_pass_is_an_error_after_five_tries(served: GitHub) -> None:
    time = Time()
    served.refuse = [503] * 9
    with pytest.raises(Transient, match="GitHub answered HTTP 503: refused by the test"):
        api(served, time).ask("GET", "pulls")
    assert len(served.asked) == 5


@pytest.mark.parametrize(("later", "wait"), [("7", 7.0), ("3600", 60.0)])
def test_github_says_when_to_come_back(served: GitHub, later: str, wait: float) -> None:
    """No longer than a minute: a job is not paid for waiting."""
    time = Time()
    served.refuse, served.later = [429], later
    api(served, time).ask("GET", "pulls", query={"page": "1", "per_page": "1"})
    assert time.waits == [wait]


@pytest.mark.parametrize("status", [429, 502])
def test_what_changes_something_is_asked_once(served: GitHub, status: int) -> None:
    """What GitHub did with a POST before it failed is not known: twice would be two issues."""
    served.refuse = [status]
    with pytest.raises(Transient, match=f"HTTP {status}"):
        api(served, Time()).ask("POST", "issues", {"title": "a", "body": "b"})
    assert served.asked == ["POST issues"]
    assert not served.issues


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (99, 1), (100, 2), (250, 3)])
def test_a_list_has_all_pages(served: GitHub, count: int, pages: int) -> None:
    served.pulls = [{"number": number, "state": "open"} for number in range(1, count + 1)]
    served.pulls.append({"number": 9999, "state": "closed"})
    assert GitHubForge(api(served, Time())).open_pulls() == frozenset(range(1, count + 1))
    assert served.asked == ["GET pulls"] * pages


def test_half_a_list_is_none(served: GitHub) -> None:
    """The second page fails for good."""
    served.pulls = [{"number": number, "state": "open"} for number in range(1, 151)]
    answer = served.answer

    def second_page_fails(method: str, path: str, query: dict[str, str], content: object) -> tuple[int, object]:
        return (503, {}) if query["page"] == "2" else answer(method, path, query, content)

    served.answer = second_page_fails  # type: ignore[method-assign]
    with pytest.raises(Transient, match="HTTP 503"):
        GitHubForge(api(served, Time())).open_pulls()


def test_nobody_answers(served: GitHub) -> None:
    with pytest.raises(Transient) as refused:
        Api({**served.env, "GITHUB_API_URL": "http://127.0.0.1:1"}, Http(clock=Time().clock)).ask("GET", "pulls")
    assert str(refused.value).splitlines() == [
        "error: GitHub did not answer: 127.0.0.1:1: the connection was refused (5 attempts)",
        "  while: asking GitHub: GET pulls",
    ]
