"""Lines, columns, durations and sizes as a reader sees them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.layout import aligned, duration, lines, one_line, size, step_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", [""]),
        ("one\n", ["one"]),
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\rthree", ["one", "two", "three"]),
        ("\ttab", ["\ttab"]),
        ("\x1b[1;31mred\x1b[0m", ["red"]),
        ("\x1b]0;a title\x07text", ["text"]),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        ("\x1b[2J\x1b[Hgone", ["gone"]),
        ("bell\x07 null\x00 delete\x7f", ["bell null delete"]),
        ("one byte escape \x9b31m", ["one byte escape 31m"]),
        ("ümlaut ✓", ["ümlaut ✓"]),
    ],
)
def test_lines(text: str, shown: list[str]) -> None:
    assert lines(text) == shown


@settings(deadline=None)
@given(st.text(alphabet=st.characters(categories=["Cc", "L", "P", "S"])))
def test_no_control_character_gets_through(text: str) -> None:
    assert not [c for line in lines(text) for c in line if (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160]


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("RUN <<EOF\n  apt-get update\nEOF", 200, "RUN <<EOF apt-get update EOF"),
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abcdefg..."),
    ],
)
def test_one_line(text: str, limit: int, shown: str) -> None:
    assert one_line(text, limit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-0.1, "0.0 s"),
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (74_800_000, "74.8 MB"),
        (999_999, "1.0 MB"),
        (1_240_000_000, "1.2 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_size(count: int, shown: str) -> None:
    assert size(count) == shown


ROWS = [["linux-bookworm-py3.11-gcc12", "amd64", "built"], ["short", "arm64", ""]]


def test_columns() -> None:
    assert aligned(["image", "arch", "why"], ROWS) == [
        "image                        arch   why",
        "linux-bookworm-py3.11-gcc12  amd64  built",
        "short                        arm64",
    ]


def test_no_rows() -> None:
    assert aligned(["image", "arch"], []) == ["image  arch"]


LONG = [["linux-tool", "[5] " + "word " * 50, "12 s"], ["linux-other", "built", "1.0 s"]]


@pytest.mark.parametrize("width", [None, 300, 120, 80, 67])
def test_words_are_cut_to_the_width_and_names_are_not(width: int | None) -> None:
    shown = aligned(["image", "why", "time"], LONG, width, cut=("why",))
    assert len(shown) == 3, "a line a row"
    assert max(map(len, shown)) <= (width or 1000)
    assert shown[1].startswith("linux-tool   [5] word word")
    assert shown[1].endswith("12 s")
    assert ("..." in shown[1]) is (width in (120, 80, 67))


def test_in_blocks_words_are_cut_too() -> None:
    shown = aligned(["image", "why", "time"], LONG, 50, cut=("why",))
    assert shown[0] == "linux-tool"
    assert shown[1].startswith("  why    [5] word")
    assert shown[1].endswith("...")
    assert max(map(len, shown)) <= 50
    assert len(aligned(["image", "why", "time"], LONG, 50)[1]) > 200, "what is no word is never cut"


def test_a_cell_is_one_line() -> None:
    assert aligned(["why"], [["two\nlines \x1b[31mred"]]) == ["why", "two lines red"]


@pytest.mark.parametrize(("width", "blocks"), [(41, False), (40, True), (10, True), (None, False)])
def test_what_is_too_wide_becomes_blocks(width: int | None, blocks: bool) -> None:
    """A wrapped or cut name could not be copied."""
    shown = aligned(["image", "arch", "why"], ROWS, width)
    assert (shown[0] == ROWS[0][0]) is blocks
    if blocks:
        assert shown == [
            "linux-bookworm-py3.11-gcc12",
            "  arch   amd64",
            "  why    built",
            "short",
            "  arch   arm64",
        ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[stage-0 1/2] RUN --mount=type=secret,id=ca --network=none  make all", "[stage-0 1/2] RUN make all"),
        ("[gcc 2/2] COPY --from=base --chmod=755 a b", "[gcc 2/2] COPY a b"),
        ("[2/3] RUN gcc --version", "[2/3] RUN gcc --version"),
        ("exporting to image", "exporting to image"),
    ],
)
def test_a_step_is_shown_without_its_flags(name: str, shown: str) -> None:
    assert step_line(name) == shown


def test_control_characters_are_written_out() -> None:
    assert visible("a\x1b[31mb\x07\n\tc\x7f") == "a\\x1b[31mb\\x07\n\tc\\x7f"
