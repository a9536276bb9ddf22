"""What `inv lane.render` prints, as golden files, and that Terraform's own formatter would change nothing in it.

`IMAGEYARD_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.lanes import terraform
from imageyard.lanes.estate import LANE_TAG, MARK, estate_as_data
from support.lanes.catalogues import BUCKET, HEAD, LANES, rendered

GOLDEN = Path(__file__).parents[2] / "golden" / "lanes"
ONE = f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n"


def as_json(text: str) -> str:
    return json.dumps(estate_as_data(rendered(text)), indent=2) + "\n"


CASES = {
    "lanes.tf": lambda: terraform.render(rendered(LANES)),
    "acme.tf": lambda: terraform.render(rendered(LANES, "acme")),
    "lanes.json": lambda: as_json(LANES),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered(name: str) -> None:
    text = CASES[name]()
    if os.environ.get("IMAGEYARD_GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


TERRAFORM = shutil.which("terraform") or shutil.which("tofu")


@pytest.mark.skipif(not TERRAFORM, reason="terraform is in no package registry: the golden files were checked with it")
@pytest.mark.parametrize("name", ["lanes.tf", "acme.tf"])
def test_terraform_would_format_it_so(name: str) -> None:
    argv = [str(TERRAFORM), "fmt", "-check", "-diff", str(GOLDEN / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_new_vendor_is_one_line_and_only_adds() -> None:
    more = f"{ONE}  hooli: hooli/torch-hooli@5\n"
    assert changed(ONE, more) == ["+  hooli: hooli/torch-hooli@5"]
    difference = changed(terraform.render(rendered(ONE)), terraform.render(rendered(more)))
    assert difference
    assert {line[0] for line in difference} == {"+"}
    assert sum(line.startswith("+resource") for line in difference) == 6


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


def test_what_we_make_is_marked() -> None:
    wanted = rendered()
    assert all(one.tags[MARK] == BUCKET for one in (*wanted.roles, *wanted.repositories))
    assert {one.tags[LANE_TAG] for one in wanted.repositories} == {"acme", "acme-evil", "globex", "initech"}


def test_no_two_resources_have_one_name() -> None:
    lines = [line for line in terraform.render(rendered()).splitlines() if line.startswith("resource")]
    assert len(lines) > 20
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a", '"a"'),
        ('"\\', '"\\"\\\\"'),
        ("${aws}", '"$${aws}"'),
        ("%{if}", '"%%{if}"'),
        (True, "true"),
        (3, "3"),
        ([], "[]"),
        ({}, "{}"),
        (["a", "b"], '["a", "b"]'),
        (["a" * 50, "b" * 50], f'[\n  "{"a" * 50}",\n  "{"b" * 50}",\n]'),
        ({"a": 1, "b:c": {"d": []}}, '{\n  a = 1\n  "b:c" = {\n    d = []\n  }\n}'),
        ({"a": 1, "long": 2}, "{\n  a    = 1\n  long = 2\n}"),
        ([{"a": 1}], "[\n  {\n    a = 1\n  },\n]"),
    ],
)
def test_values(data: Any, text: str) -> None:
    assert terraform.value(data) == text


LEAVES = st.one_of(st.text('ab${}%" :é', max_size=12), st.booleans(), st.integers(0, 99))
KEYS = st.one_of(st.sampled_from(["a", "bb", "long_name", "x-y", "s3:prefix"]), st.text("ab:", min_size=1, max_size=4))
DATA = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=9
)


@pytest.mark.skipif(not TERRAFORM, reason="terraform is in no package registry")
def test_terraform_would_format_any_data_so(tmp_path: Path) -> None:
    """One file of many values: the program takes longer to start than to read it."""
    values: list[Any] = []

    @given(DATA)
    def collect(data: Any) -> None:
        values.append(data)

    collect()
    text = "\n\n".join(f"x {{\n  a = {terraform.value(data, 1)}\n}}" for data in values) + "\n"
    (tmp_path / "x.tf").write_text(text)
    argv = [str(TERRAFORM), "fmt", "-check", "-diff", str(tmp_path / "x.tf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_task_prints_it_and_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "lanes.yml").write_text(LANES)
    inv = [sys.executable, "-m", "imageyard", "lane.render"]
    top = Path(__file__).parents[3]
    given = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for more, name in (([], "lanes.tf"), (["acme"], "acme.tf"), (["--json"], "lanes.json")):
        argv = [*inv, *more, "--lanes", str(tmp_path / "lanes.yml")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=top, env=given)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (GOLDEN / name).read_text()
