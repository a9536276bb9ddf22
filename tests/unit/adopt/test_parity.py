"""A catalogue beside recorded builds: what differs, what of it is meant, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.adopt import intended, parity_text, recorded
from imageyard.adopt.parity import Intended, differences, sorted_out
from imageyard.adopt.recorded import RecordedBuild
from imageyard.catalogue import expand
from imageyard.errors import ConfigurationError

TOP = Path(__file__).parents[3]
MATRIX = TOP / "tests" / "golden" / "pytorch-matrix.json"
CATALOGUE = """\
defaults: {arches: [amd64], dockerfile: app/Dockerfile}
axes: {gcc: {"gcc{12,13}": {GCC: "{}"}}, plain: {app, base}}
images:
  base: {names: {base: {args: {GCC: ~}}}}
  app:
    args: {BASE: image:base}
    names:
      app-gcc12:
      app-gcc13: {args: {KATEX: yes}}
"""
BUILDS = {
    "base": RecordedBuild("base", "amd64", "app/Dockerfile", {}),
    "app-gcc12": RecordedBuild("app-gcc12", "amd64", "app/Dockerfile", {"BASE": "image:base", "GCC": "12"}),
    "app-gcc13": RecordedBuild(
        "app-gcc13", "amd64", "app/Dockerfile", {"BASE": "image:base", "GCC": "13", "KATEX": "yes"}
    ),
}


def compared(tmp_path: Path, **changed: RecordedBuild | None) -> list[tuple[str, str, str | None, str | None]]:
    """The differences where some recorded builds are other ones; of None there is none."""
    (tmp_path / "images.yml").write_text(CATALOGUE)
    catalogue = expand.load(tmp_path / "images.yml", tmp_path)
    builds = [one for one in {**BUILDS, **{k.replace("_", "-"): v for k, v in changed.items()}}.values() if one]
    found = differences(catalogue.rows, builds, catalogue.folder)
    return [(one.name, one.subject, one.recorded, one.ours) for one in found]


def test_pytorchs_matrix_has_no_difference_at_all() -> None:
    catalogue = expand.load(TOP / "examples" / "pytorch" / "images.yml", TOP)
    builds = recorded.load(MATRIX)
    assert len(builds) == 46
    assert {build.arch for build in builds} == {"amd64", "arm64"}
    assert differences(catalogue.rows, builds, catalogue.folder) == []


def test_the_same(tmp_path: Path) -> None:
    assert compared(tmp_path) == []


def test_each_kind_of_difference(tmp_path: Path) -> None:
    args = {"BASE": "image:base", "GCC": "11", "ONNX": "yes", "DOCS": ""}
    other = RecordedBuild(
        "app-gcc13", "amd64", "Dockerfile", args, "live", "src", "test", True, ("pins.txt",), {"pins": "../pins"}
    )
    assert compared(tmp_path, app_gcc13=other) == [
        ("app-gcc13", "dockerfile", "Dockerfile", "app/Dockerfile"),
        ("app-gcc13", "context", "src", "."),
        ("app-gcc13", "target", "test", None),
        ("app-gcc13", "no-cache", "yes", None),
        ("app-gcc13", "files", "pins.txt", None),
        ("app-gcc13", "contexts", "pins=../pins", None),
        ("app-gcc13", "arg GCC", "11", "13"),
        ("app-gcc13", "arg ONNX", "yes", None),
        ("app-gcc13", "empty arg DOCS", "", None),
        ("app-gcc13", "arg KATEX", None, "yes"),
    ]


def test_an_architecture_that_one_side_lacks(tmp_path: Path) -> None:
    """Also where the name is on both sides: a row for arm64 is a build that the script never made."""
    other = replace(BUILDS["app-gcc13"], arch="arm64")
    assert compared(tmp_path, app_gcc13=other) == [
        ("app-gcc13", "arch", "arm64", None),
        ("app-gcc13", "arch", None, "amd64"),
    ]


def test_rows_that_one_side_lacks(tmp_path: Path) -> None:
    more = RecordedBuild("app-gcc14", "amd64", "app/Dockerfile", {})
    assert compared(tmp_path, base=None, app_gcc14=more) == [
        ("app-gcc14", "row", "amd64", None),
        ("base", "row", None, "amd64"),
    ]


def test_what_is_meant(tmp_path: Path) -> None:
    (tmp_path / "intended.yml").write_text(
        "intended:\n"
        "  arg GCC:\n"
        "    '*-gcc13': the newest\n"
        "  empty arg *: {'*': 'an arg without a value is absent', base: 'never reached'}\n"
    )
    reasons = intended.load(tmp_path / "intended.yml")
    (tmp_path / "images.yml").write_text(CATALOGUE)
    catalogue = expand.load(tmp_path / "images.yml", tmp_path)
    builds = [
        RecordedBuild(name, "amd64", "app/Dockerfile", {**build.args, "GCC": "11", "DOCS": ""})
        for name, build in BUILDS.items()
        if name != "base"
    ]
    unintended, meant, unused = sorted_out(differences(catalogue.rows, builds, catalogue.folder), reasons)
    assert [(one.name, one.subject) for one in unintended] == [("app-gcc12", "arg GCC"), ("base", "row")]
    assert {reason.why: len(all_) for reason, all_ in meant.items()} == {
        "the newest": 1,
        "an arg without a value is absent": 2,
    }
    assert [(one.rows, one.why) for one in unused] == [("base", "never reached")]
    told = parity_text.Parity(2, unintended, meant, unused)
    live = told.only(["live"], builds)
    assert (live.compared, len(live.unintended), live.unused) == (0, 2, unused), "what has no status stays"
    assert told.only((), builds) is told
    assert told.lines == [
        "app-gcc12: arg GCC: the script has '11', the catalogue '12'  (images.yml:2:34)",
        "base: row: the catalogue has 'amd64', the script has none  (images.yml:4:18)",
        "intended: arg GCC: 1 in 1 rows: the newest",
        "intended: empty arg *: 2 in 2 rows: an arg without a value is absent",
        f"nothing differs as {tmp_path / 'intended.yml'}:4:58 says: empty arg * in base",
        "2 builds compared: 2 unintended differences, 3 intended, 1 reasons that cover nothing",
    ]
    assert json.loads(json.dumps(told.plain))["unintended"][0] == {
        "name": "app-gcc12",
        "what": "arg GCC",
        "script": "11",
        "catalogue": "12",
        "where": "images.yml:2:34",
    }


@pytest.mark.parametrize(
    ("what", "covers"),
    [
        ("arg KATEX", True),
        ("arg *", True),
        ("*", True),
        ("empty arg *", False),
        ("arg", False),
        ("arg K", False),
    ],
)
def test_a_reason_covers_what_it_names(tmp_path: Path, what: str, covers: bool) -> None:
    (tmp_path / "images.yml").write_text(CATALOGUE)
    catalogue = expand.load(tmp_path / "images.yml", tmp_path)
    less = RecordedBuild("app-gcc13", "amd64", "app/Dockerfile", {"BASE": "image:base", "GCC": "13"})
    (found,) = differences(catalogue.rows, [*list(BUILDS.values())[:2], less], catalogue.folder)
    assert Intended(what, "app-*", "why").covers(found) is covers
    assert not Intended(what, "base", "why").covers(found)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("intended:\n  arg A:\n", 2, "needs a value"),
        ("intended:\n  arg A: {}\n", 2, ""),
        ("intended: {arg A: {'*': }}\n", 1, "needs a value"),
        ("intend: {}\n", 1, "intend"),
        ("intended: [a]\n", 1, ""),
    ],
)
def test_a_file_of_reasons_that_is_none(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "intended.yml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        intended.load(file)
    assert f"{file}:{line}:" in str(refused.value)
    assert words in str(refused.value)


def test_a_file_of_builds_is_read_as_it_was_written(tmp_path: Path) -> None:
    whole = RecordedBuild(
        "one", "arm64", "a/Dockerfile", {"A": "", "B": "ü"}, "live", "src", "test", True, ("f",), {"c": "d"}
    )
    builds = [whole, *(RecordedBuild("two", arch, "Dockerfile", {}) for arch in ("arm64", "amd64"))]
    file = tmp_path / "builds.json"
    file.write_text(recorded.as_text(builds, "a test"))
    assert recorded.load(file) == builds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "no recorded builds"),
        ("{}", "'rows' is missing"),
        ('{"rows": {"a": {}}}', "'dockerfile' is missing"),
        ('{"rows": {"a": {"dockerfile": 1}}}', "a: dockerfile is no text"),
        ('{"rows": {"a": {"dockerfile": "f", "args": {"A": 1}}}}', "a: A is no text"),
        ('{"rows": {"a": {"dockerfile": "f", "argss": {}}}}', "a: 'argss' is not known"),
        ('{"rows": {"a": {"dockerfile": "f", "files": "f"}}}', "a: files is no list"),
        ('{"arches": {"amd64": []}, "rows": {"a": {"dockerfile": "f"}}}', "a has no architecture"),
        ('{"arches": {"vax": []}, "rows": {}}', "'vax' is no architecture"),
        ('{"arches": {"amd64": "some"}, "rows": {}}', "amd64 names no list"),
    ],
)
def test_a_file_of_builds_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "builds.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=str(file)) as refused:
        recorded.load(file)
    assert words in str(refused.value)


def test_no_file_of_builds(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        recorded.load(tmp_path / "none.json")
