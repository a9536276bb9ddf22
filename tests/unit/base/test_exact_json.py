"""JSON that every reader reads alike, and what is refused of other texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard import exact_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    assert exact_json.read(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b'{"a": 1, "a": 1}', exact_json.RepeatedKey, ""),
        (b'[{"a": {"b": 1, "b": 2}}]', exact_json.RepeatedKey, ""),
        (b'{"a": 1, "\\u0061": 2}', exact_json.RepeatedKey, ""),
        (b"[NaN]", exact_json.NoNumber, "NaN"),
        (b"-Infinity", exact_json.NoNumber, "-Infinity"),
        (b'"\xff"', UnicodeDecodeError, ""),
        (b"{", ValueError, ""),
        (b"[" * 100_000, RecursionError, ""),
    ],
)
def test_what_two_readers_might_read_differently(body: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as refused:
        exact_json.read(body)
    assert words in str(refused.value)
