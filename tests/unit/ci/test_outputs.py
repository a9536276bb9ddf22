"""What a step writes into GitHub's files, whatever text is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imageyard.ci import outputs
from imageyard.ci.providers.github import answers
from imageyard.errors import EnvironmentLacks
from support.github.files import read

TEXT = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]))


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), TEXT))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_never_becomes_another_output(tmp_path: Path, values: dict[str, str]) -> None:
    file = tmp_path / "output"
    file.unlink(missing_ok=True)
    assert answers.emit(values, {"GITHUB_OUTPUT": str(file)})
    assert read(file.read_bytes().decode()) == values


def test_the_end_cannot_be_guessed(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        answers.emit({"x": "1\nend\ny=2"}, {"GITHUB_OUTPUT": str(file)})
    assert files[0].read_text() != files[1].read_text()
    assert read(files[0].read_text()) == {"x": "1\nend\ny=2"}


def test_what_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "output"
    for name in "ab":
        answers.emit({name: name}, {"GITHUB_OUTPUT": str(file)})
    assert read(file.read_text()) == {"a": "a", "b": "b"}


def test_no_file_is_no_error() -> None:
    assert not answers.emit({"a": "b"}, {})
    assert not answers.summarize("text", {"GITHUB_STEP_SUMMARY": ""})


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="GITHUB_OUTPUT names"):
        answers.emit({"a": "b"}, {"GITHUB_OUTPUT": str(tmp_path / "no" / "file")})


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("absent in REGISTRY", "absent in REGISTRY"),
        ("a|b", r"a\|b"),
        ("<img src=x>", r"&lt;img src=x\>"),
        ("[click](http://x)", r"\[click\](http://x)"),
        ("@somebody", "@<!-- -->somebody"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_cell_is_no_markup(cell: str, written: str) -> None:
    assert outputs.table(("why",), [(cell,)]).splitlines()[2] == f"| {written} |"


def test_a_summary_too_long_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    answers.summarize("\n".join("é" * 100 for _ in range(10_000)), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.stat().st_size <= answers.SUMMARY_BYTES
    assert file.read_text().endswith("see the log.\n")
    assert not re.search(r"\ufffd", file.read_text())
