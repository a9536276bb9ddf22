"""WWW-Authenticate, as servers write it and as RFC 7235 allows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.registry.challenge import Challenge, parse

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, []),
        ("", []),
        ('Basic realm="Registry Realm"', [("basic", {"realm": "Registry Realm"})]),
        ("Basic", [("basic", {})]),
        ("basic realm=plain", [("basic", {"realm": "plain"})]),
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('Bearer REALM = "x" , Service="y"', [("bearer", {"realm": "x", "service": "y"})]),
        (r'Basic realm="a \"quoted\" name, with comma"', [("basic", {"realm": 'a "quoted" name, with comma'})]),
        ('Bearer realm="x", Basic realm="y"', [("bearer", {"realm": "x"}), ("basic", {"realm": "y"})]),
        (', ,Negotiate, Basic realm="y",', [("negotiate", {}), ("basic", {"realm": "y"})]),
        ('Bearer realm="x",realm="second"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="never closed', [("bearer", {"realm": ""})]),
        ("\x00\x01", []),
    ],
)
def test_challenges(header: str | None, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse(header) == tuple(Challenge(scheme, parameters) for scheme, parameters in expected)


@given(st.text(alphabet=' ,="\\abBearer\t\n\x00é', max_size=200))
def test_anything_can_be_read(header: str) -> None:
    for challenge in parse(header):
        assert challenge.scheme == challenge.scheme.lower() != ""


@given(
    st.dictionaries(
        st.sampled_from(["realm", "service", "scope", "error"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
        max_size=4,
    )
)
def test_what_is_quoted_comes_back(parameters: dict[str, str]) -> None:
    quoted = ", ".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in parameters.items()
    )
    assert parse(f"Bearer {quoted}, Basic") == (Challenge("bearer", parameters), Challenge("basic"))
