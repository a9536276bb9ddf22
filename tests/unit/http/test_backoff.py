"""Retry-After, and a back-off per host that grows, is shared, and recovers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.http.backoff import Backoff, Policy, retry_after
from support.registry.served import moving_clock

NOW = 784111770.0  # Sun, 06 Nov 1994 08:49:30 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 999999999.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 7.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 7.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_reads_anything(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


def test_waits_double_and_a_success_halves_them() -> None:
    clock, slept = moving_clock()
    backoff = Backoff(Policy(first_wait=1, longest_wait=8), clock)
    for _ in range(5):
        backoff.failed("host")
        assert backoff.wait("host", 1e9)
    assert slept == [1, 2, 4, 8, 8]
    backoff.succeeded("host")
    backoff.succeeded("host")
    backoff.failed("host")
    assert backoff.wait("host", 1e9)
    assert slept[5:] == [2]


def test_failures_at_one_time_count_once() -> None:
    clock, slept = moving_clock()
    backoff = Backoff(Policy(first_wait=1), clock)
    for _ in range(50):
        backoff.failed("host")
    assert backoff.wait("host", 1e9)
    assert slept == [1]


def test_hosts_do_not_wait_for_each_other() -> None:
    clock, slept = moving_clock()
    backoff = Backoff(Policy(), clock)
    backoff.failed("slow", 30)
    assert backoff.wait("other", 1e9)
    assert slept == []
    assert backoff.wait("slow", 1e9)
    assert slept == [30]


def test_what_is_past_the_deadline_is_not_waited_for() -> None:
    clock, slept = moving_clock()
    backoff = Backoff(Policy(), clock)
    backoff.failed("host", 30)
    assert not backoff.wait("host", clock.monotonic() + 29)
    assert slept == []


@given(st.floats(0, 1), st.integers(1, 40))
def test_no_wait_is_longer_than_the_policy_says(chance: float, failures: int) -> None:
    clock, slept = moving_clock(chance)
    backoff = Backoff(Policy(longest_wait=60), clock)
    for _ in range(failures):
        backoff.failed("host", 1e6)
        backoff.wait("host", 1e9)
    assert max(slept) <= 60
