"""`inv explain`: the sentence, and the line behind everything it stands for."""

from pathlib import Path

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand, open_catalogue
from imageyard.catalogue.explain import as_data, explain
from imageyard.catalogue.explain_text import as_text
from imageyard.errors import ConfigurationError

TOP = Path(__file__).parents[3]
GOLDEN = TOP / "tests" / "golden" / "explain"
PYTORCH = TOP / "examples" / "pytorch" / "images.yml"


@pytest.mark.parametrize(
    ("example", "image"),
    [
        ("pytorch", "pytorch-linux-noble-riscv64-py3.12-gcc14"),
        ("pytorch", "pytorch-linux-jammy-cuda13.0-py3.12-pallas"),
        ("debian", "linux-bookworm-py3.11-clang16"),
    ],
)
def test_the_explanation_of_an_image(example, image):
    assert (
        explain(TOP / "examples" / example / "images.yml", TOP, image) + "\n" == (GOLDEN / f"{image}.txt").read_text()
    )


def test_every_value_of_every_image_is_explained_by_the_line_that_set_it():
    lines = PYTORCH.read_text().splitlines()
    expansion = open_catalogue(PYTORCH, TOP)
    steps = 0
    for image in expansion.catalogue.images.values():
        (row,) = as_data(expansion, image.name)["rows"]
        assert {arg["name"]: arg["value"] for arg in row["args"] if arg["value"] is not None} == image.args
        assert {check["name"] for check in row["checks"] if check["applies"]} == {c.name for c in image.checks}
        for entry in [*row["args"], *row["fields"]]:
            for step in entry["set"]:
                _, line, column = step["where"].rsplit(":", 2)
                written = lines[int(line) - 1][int(column) - 1 :]
                # A word's brace list writes {} where the alternative stands.
                assert written.startswith((step["text"] or "~", f'"{step["text"]}"', '"{}"')), step
                steps += 1
    assert steps > 400


SOURCE = """
defaults: {dockerfile: Dockerfile, arches: [amd64, arm64], args: {A: 1, B: 2}, checks: {ld: {run: ld}, as: {run: as}}}
axes: {os: {jammy: {A: 3}}, plain: {base, linux}}
images:
  f:
    args: ~
    per_arch: {arm64: {args: {C: "{arch}"}}}
    names:
      base:
      jammy: {args: {BASE: "image:base"}, checks: {ld: ~, as: {when: [BASE]}}, timeout: 2h}
"""


def levels(entries, name):
    (entry,) = [entry for entry in entries if entry["name"] == name]
    return [(step["level"], step["text"]) for step in entry["set"]]


def test_each_level_is_named_and_what_it_overrode():
    data = as_data(expand(text.parse(SOURCE)), "jammy")
    amd64, arm64 = data["rows"]
    assert levels(amd64["args"], "A") == [("defaults", "1"), ("word jammy", "3"), ("family f", None)]
    assert levels(amd64["args"], "B") == [("defaults", "2"), ("family f", None)]
    assert levels(arm64["args"], "C") == [("family f, per_arch arm64", "{arch}")]
    assert [arg["parent"] for arg in amd64["args"]] == [None, None, "base"]
    assert next(arg["value"] for arg in arm64["args"] if arg["name"] == "C") == "arm64"
    assert [(check["name"], check["applies"], check["why"]) for check in amd64["checks"]] == [
        ("ld", False, "it is removed"),
        ("as", True, None),
    ]
    assert levels(amd64["fields"], "timeout") == [("name jammy", "2h")]
    assert data["words"] == [{"word": "jammy", "axis": "os", "where": "images.yml:3:13", "args": {"A": "3"}}]


def test_facts_are_explained_as_checks_are():
    facts = "facts: {packages: {run: dpkg-query -W}, python: {run: pip list}}"
    source = SOURCE.replace("checks: {ld: {", f"{facts}, checks: {{ld: {{")
    source = source.replace("checks: {ld: ~", "facts: {python: ~, packages: {when: [C]}}, checks: {ld: ~")
    expansion = expand(text.parse(source))
    amd64, arm64 = as_data(expansion, "jammy")["rows"]
    assert [(fact["name"], fact["applies"], fact["why"]) for fact in amd64["facts"]] == [
        ("packages", False, "none of [C] is set"),
        ("python", False, "it is removed"),
    ]
    assert arm64["facts"][0] == {
        "name": "packages",
        "applies": True,
        "why": None,
        "run": ["dpkg-query", "-W"],
        "when": ["C"],
        "set": {
            "run": [{"level": "defaults", "text": "dpkg-query -W", "where": "images.yml:2:104"}],
            "when": [{"level": "name jammy", "text": "[C]", "where": "images.yml:10:79"}],
        },
    }
    shown = as_text(as_data(expansion, "base")).split("facts on amd64:\n")[1].splitlines()[:2]
    assert [line.split()[:3] for line in shown] == [["packages", "dpkg-query", "-W"], ["python", "pip", "list"]]


def test_architectures_that_differ_are_shown_apart(tmp_path):
    path = tmp_path / "images.yml"
    path.write_text(SOURCE)
    shown = explain(path, tmp_path, "jammy")
    assert "args on amd64:" in shown
    assert "args on arm64:" in shown


def test_a_runner_that_takes_another_form_replaces_the_whole():
    source = b"""
defaults: {runner: "{arch}.big"}
axes: {plain: {a, b, c}}
images:
  one:
    dockerfile: D
    names:
      a: {runner: {group: large, labels: [gpu]}}
      b: {runner: [linux, "{arch}"]}
      c:
"""

    def fields(name):
        (row,) = as_data(expand(text.parse(source)), name)["rows"]
        return {field["name"]: field["value"] for field in row["fields"] if field["name"].startswith("runner")}

    assert fields("a") == {"runner": None, "runner.group": "large", "runner.labels": "[gpu]"}
    assert fields("b") == {"runner": ["linux", "amd64"]}
    assert fields("c") == {"runner": "amd64.big"}


def test_an_unknown_image_is_answered_with_the_nearest():
    with pytest.raises(ConfigurationError) as caught:
        explain(PYTORCH, TOP, "pytorch-linux-jammy-lintr")
    assert caught.value.hint == ("did you mean 'pytorch-linux-jammy-linter'?",)
