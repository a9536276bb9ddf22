"""Records: in and out of JSON, strictly; the table of them; the exit code of a run."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.layout import aligned
from imageyard.records import HEADERS, Finding, Record, RowOutcome, from_json, headers, table, to_json, worst

FAILED = Record(
    image="linux-bookworm-py3.11-gcc12",
    arch="amd64",
    outcome="check failed",
    code=6,
    headline="gcc: expected 12, found 13",
    started="2026-01-31T12:00:00.000+00:00",
    recipe="ab" * 32,
    tag="linux-bookworm-py3.11-gcc12-abababababababababab",
    why="not in the engine",
    ended="2026-01-31T12:01:05.250+00:00",
    seconds=65.25,
    steps=9,
    cached=7,
    size=612_000_000,
    findings=(Finding("gcc", False, "12", "13", "ran: gcc --version", ("gcc 13",)), Finding("git", True, "2", "2.39")),
    commit="c0ffee" * 6 + "c0ff",
    dirty=True,
    forced=True,
    adopted=False,
    log="rows/linux-bookworm-py3.11-gcc12.amd64.rawjson",
    versions={"imageyard": "0.1.0", "engine": "28.5.2", "buildx": "0.29.1", "python": "3.11.2"},
    facts={"packages": ("libc6:amd64\t2.36-9", "zlib1g\t1.2.13")},
    layers=(31_000_000, 120),
)

GOLDEN = """\
{
  "version": 3,
  "image": "linux-bookworm-py3.11-gcc12",
  "arch": "amd64",
  "outcome": "check failed",
  "code": 6,
  "headline": "gcc: expected 12, found 13",
  "started": "2026-01-31T12:00:00.000+00:00",
  "recipe": "abababababababababababababababababababababababababababababababab",
  "tag": "linux-bookworm-py3.11-gcc12-abababababababababab",
  "why": "not in the engine",
  "ended": "2026-01-31T12:01:05.250+00:00",
  "seconds": 65.25,
  "steps": 9,
  "cached": 7,
  "size": 612000000,
  "findings": [
    {
      "check": "gcc",
      "ok": false,
      "expected": "12",
      "actual": "13",
      "why": "ran: gcc --version",
      "output": [
        "gcc 13"
      ]
    },
    {
      "check": "git",
      "ok": true,
      "expected": "2",
      "actual": "2.39",
      "why": "",
      "output": []
    }
  ],
  "commit": "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff",
  "dirty": true,
  "forced": true,
  "adopted": false,
  "log": "rows/linux-bookworm-py3.11-gcc12.amd64.rawjson",
  "versions": {
    "imageyard": "0.1.0",
    "engine": "28.5.2",
    "buildx": "0.29.1",
    "python": "3.11.2"
  },
  "builder": "local",
  "digest": null,
  "attempts": 1,
  "remarks": [],
  "facts": {
    "packages": [
      "libc6:amd64\\t2.36-9",
      "zlib1g\\t1.2.13"
    ]
  },
  "layers": [
    31000000,
    120
  ]
}"""


def test_the_form_is_stable() -> None:
    """Other programs and later versions read it: a change of this text is a change of VERSION."""
    assert json.dumps(to_json(FAILED), indent=2) == GOLDEN


def test_golden_reads_back() -> None:
    assert from_json(GOLDEN) == FAILED
    assert from_json(GOLDEN.encode()) == FAILED
    assert from_json(json.loads(GOLDEN)) == FAILED


words = st.text(max_size=20)
findings = st.builds(Finding, words, st.booleans(), words, words, words, st.lists(words, max_size=2).map(tuple))


@settings(deadline=None)
@given(
    st.builds(
        Record,
        image=words,
        arch=words,
        outcome=st.sampled_from(get_args(RowOutcome)),
        code=st.integers(0, 255),
        headline=words,
        started=words,
        recipe=st.none() | words,
        seconds=st.none() | st.floats(0, 1e6),
        steps=st.none() | st.integers(0, 2**63 - 1),
        findings=st.lists(findings, max_size=3).map(tuple),
        dirty=st.booleans(),
        versions=st.dictionaries(words, words, max_size=2),
        facts=st.dictionaries(words, st.lists(words, max_size=2).map(tuple), max_size=2),
        layers=st.lists(st.integers(0, 2**63 - 1), max_size=2).map(tuple),
    )
)
def test_every_record_reads_back_as_it_was(record: Record) -> None:
    assert from_json(json.dumps(to_json(record))) == record


def changed(**values: Any) -> dict[str, Any]:
    return to_json(FAILED) | values


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in to_json(FAILED).items() if key != name}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "a.json is not JSON: "),
        ("[]", "a.json is not a map"),
        ('{"version": 1', "a.json is not JSON: "),
        (b"\xff", "a.json is not JSON: "),
        (without("version"), "a.json has version None, this Imageyard reads 3"),
        (changed(version=4, more="fields"), "a.json has version 4, this Imageyard reads 3"),
        (changed(version="1"), "a.json has version '1', this Imageyard reads 3"),
        (changed(colour="red"), "a.json has an unknown field 'colour'"),
        (without("started"), "a.json lacks the field 'started'"),
        (without("log"), "a.json lacks the field 'log'"),
        (without("digest"), "a.json lacks the field 'digest'"),
        (without("log") | {"version": 1}, "a.json lacks the field 'log'"),
        (changed(image=None), "a.json: image is None, not str"),
        (changed(code="6"), "a.json: code is '6', not ExitCode"),
        (changed(code=True), "a.json: code is True, not ExitCode"),
        (changed(dirty=1), "a.json: dirty is 1, not bool"),
        (changed(seconds="1"), "a.json: seconds is '1', not float | None"),
        (changed(steps=1.5), "a.json: steps is 1.5, not int | None"),
        (changed(tag=7), "a.json: tag is 7, not str | None"),
        (changed(outcome="perfect"), "a.json: outcome is 'perfect', not RowOutcome"),
        (changed(outcome=[]), "a.json: outcome is [], not RowOutcome"),
        (changed(versions={"engine": 28}), "a.json: versions is {'engine': 28}, not Mapping[str, str]"),
        (changed(facts={"a": "b"}), "a.json: facts is {'a': 'b'}, not Mapping[str, tuple[str, ...]]"),
        (changed(facts={"a": [1]}), "a.json: facts is {'a': [1]}, not Mapping[str, tuple[str, ...]]"),
        (changed(layers=[-1]), "a.json: layers is [-1], not tuple[int, ...]"),
        (without("facts"), "a.json lacks the field 'facts'"),
        (changed(findings=None), "a.json: findings is None, not tuple[Finding, ...]"),
        (changed(findings=["gcc"]), "a.json: findings is ['gcc'], not tuple[Finding, ...]"),
        (changed(findings=[{"check": "gcc"}]), "a.json: findings: 0 lacks the field 'actual'"),
    ],
)
def test_what_is_no_record(data: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_json(data, "a.json")
    assert caught.value.headline.startswith(message)


def test_a_record_of_the_first_version_is_one_of_a_local_build() -> None:
    later = ("builder", "digest", "attempts", "remarks", "facts", "layers")
    first = {key: value for key, value in to_json(FAILED).items() if key not in later} | {"version": 1}
    assert from_json(first) == replace(FAILED, facts={}, layers=())


def test_a_record_of_the_second_version_has_no_facts() -> None:
    second = {key: value for key, value in to_json(FAILED).items() if key not in ("facts", "layers")} | {"version": 2}
    assert from_json(second) == replace(FAILED, facts={}, layers=())


def test_another_version_comes_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_json(changed(version=4))
    assert caught.value.hint == ("read it with the Imageyard that wrote it, or remove it",)


def test_plain_values_only() -> None:
    """No field of ours needs a type of ours to be read, but the findings."""
    assert {f.name for f in fields(Record) if "Finding" in str(f.type)} == {"findings"}


START = Record("linux-trixie", "arm64", "interrupted", 130, "interrupted", started="2026-01-31T12:00:00+00:00")


@pytest.mark.parametrize(
    ("record", "cells"),
    [
        (
            FAILED,
            ["-", "[6] gcc: expected 12, found 13", "7/9", "1 min 05 s", "612.0 MB"],
        ),
        (
            replace(FAILED, outcome="built", code=0),
            [
                "linux-bookworm-py3.11-gcc12-abababababababababab",
                "built: not in the engine",
                "7/9",
                "1 min 05 s",
                "612.0 MB",
            ],
        ),
        (
            replace(FAILED, outcome="built", code=0, adopted=True, why=""),
            ["linux-bookworm-py3.11-gcc12-abababababababababab", "built, adopted", "7/9", "1 min 05 s", "612.0 MB"],
        ),
        (START, ["-", "[130] interrupted", "-", "-", "-"]),
        (
            replace(START, outcome="skipped", code=0, tag="linux-trixie-0", why="in the engine", size=0, seconds=0.04),
            ["linux-trixie-0", "skipped: in the engine", "-", "0.0 s", "0 B"],
        ),
        (replace(START, outcome="built", code=0, tag="t", steps=4), ["t", "built", "0/4", "-", "-"]),
    ],
)
def test_table(record: Record, cells: list[str]) -> None:
    assert table([record]) == [[record.image, record.arch, *cells]]


def test_table_as_it_is_printed() -> None:
    built = replace(START, outcome="built", code=0, tag="linux-trixie-00", why="new", steps=3, cached=1, seconds=4.0)
    assert aligned(HEADERS, table([replace(FAILED, image="linux-bookworm"), built])) == [
        "image           arch   tag              why                             cached  time        size",
        "linux-bookworm  amd64  -                [6] gcc: expected 12, found 13  7/9     1 min 05 s  612.0 MB",
        "linux-trixie    arm64  linux-trixie-00  built: new                      1/3     4.0 s       -",
    ]


def test_a_digest_gets_a_column_where_there_is_one() -> None:
    published = replace(START, outcome="published", code=0, tag="t", digest="sha256:0123456789abcdef")
    published = replace(published, remarks=("not checked: built by remote workers",), attempts=2)
    rows = [FAILED, published]
    assert headers(rows) == (*HEADERS, "digest")
    assert [row[7] for row in table(rows)] == ["-", "0123456789ab"]
    assert table(rows)[1][3] == "published; attempt 2; not checked: built by remote workers"
    assert headers([FAILED]) == HEADERS


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 6], 6),
        ([5, 6], 5),
        ([9, 5], 5),
        ([9, 4], 4),
        ([7, 8], 8),
        ([10, 5], 10),
        ([2, 10], 2),
        ([130, 5, 0], 130),
        ([143, 6], 143),
        ([143, 130], 130),
        ([1, 130], 1),
    ],
)
def test_the_worst_row_is_the_exit_code(codes: list[int], code: int) -> None:
    assert worst(codes) == code
    assert worst(reversed(codes)) == code


def test_an_error_is_cut_where_that_is_asked_for_and_its_remarks_never() -> None:
    failed = Record("linux-tool", "amd64", "failed", 5, "words " * 60, "2026-01-01T00:00:00.000+00:00")
    remarked = replace(failed, outcome="built", code=0, headline="", why="new", remarks=("words " * 60,))
    assert [len(row[3]) for row in table([failed, remarked], 100)] == [100, len("built: new; ") + len("words " * 60)]
    assert table([failed])[0][3] == f"[5] {failed.headline}".strip()
