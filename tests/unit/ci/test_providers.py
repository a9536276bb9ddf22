"""Which provider runs us, and that each answers what is asked of a provider."""

from __future__ import annotations

import pytest
from imageyard.ci.providers.github.provider import GitHub
from imageyard.ci.providers.logs import LOGS, attempt, log_name
from imageyard.ci.providers.table import PROVIDERS, provider_of
from imageyard.errors import EnvironmentLacks


@pytest.mark.parametrize(
    ("environ", "runs"),
    [
        ({}, False),
        ({"CI": "true"}, False),
        ({"GITHUB_ACTIONS": "false"}, False),
        ({"GITHUB_ACTIONS": "0"}, False),
        ({"GITHUB_ACTIONS": "true"}, True),
        ({"GITHUB_ACTIONS": "yes"}, True),
    ],
)
def test_who_runs_us(environ: dict[str, str], runs: bool) -> None:
    provider = provider_of(environ)
    assert isinstance(provider, GitHub)
    assert provider.runs_us is runs


@pytest.mark.parametrize("make", PROVIDERS)
def test_without_variables_a_provider_has_no_answers(make: type[GitHub]) -> None:
    provider = make({})
    assert not provider.runs_us
    assert not provider.is_pull_request()
    assert provider.queue_base() is None
    assert not provider.has_identity()
    assert (provider.actor(), provider.branch()) == (None, None)
    assert (provider.job_folder(), provider.following_steps()) == (None, None)
    assert provider.cache_variables() == {}
    assert provider.git_credentials("https://github.com/example/images") == {}
    assert not provider.set_outputs({"a": "b"})
    assert not provider.summary("text")
    with pytest.raises(EnvironmentLacks, match="is not set"):
        provider.forge()


def test_a_log_is_read_by_the_runner_that_says_so() -> None:
    assert log_name({}) is None
    assert log_name({"GITHUB_ACTIONS": "yes"}) is None, "the runner sets exactly `true`"
    name = log_name({"GITHUB_ACTIONS": "true"})
    assert name is not None
    assert name in LOGS


@pytest.mark.parametrize(
    ("environ", "number"),
    [
        ({}, 1),
        ({"GITHUB_RUN_ATTEMPT": "3"}, 1),
        ({"GITHUB_ACTIONS": "true"}, 1),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "3"}, 3),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "0"}, 1),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "²"}, 1),
    ],
)
def test_the_attempt_of_a_run(environ: dict[str, str], number: int) -> None:
    assert attempt(environ) == number
