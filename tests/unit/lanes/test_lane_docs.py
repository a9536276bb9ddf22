"""What docs/lanes.md shows is what is read and printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent, indent

from imageyard.lanes.origin import origin_of
from imageyard.lanes.provenance_statement import BUILD_TYPE
from support.lanes.catalogues import HEAD, of
from support.lanes.signed import origin

TOP = Path(__file__).parents[3]
TEXT = (TOP / "docs" / "lanes.md").read_text()


def test_the_terraform_of_one_vendor_is_the_golden_file() -> None:
    shown = TEXT.partition("## The Terraform of one vendor")[2]
    assert indent((TOP / "tests" / "golden" / "lanes" / "acme.tf").read_text(), "    ").strip() in shown


def test_the_catalogue_that_is_shown_can_be_read() -> None:
    block = re.search(r"\n\n((?:    .*\n)+)", TEXT)
    assert block
    assert of(dedent(block[1])).lane("acme").packages == ("torch-acme",)


def test_the_provenance_that_is_shown_is_what_is_written_and_read() -> None:
    shown = TEXT.partition("\n## Provenance\n")[2].partition("\n## ")[0]
    assert f"`{BUILD_TYPE}`" in shown
    blocks = [dedent(block) for block in re.findall(r"(?<=\n\n)((?:    .*\n)+)", shown)]
    (lanes,) = [block for block in blocks if block.startswith("lanes:")]
    assert [key.name for key in of(HEAD + lanes).lane("acme").keys] == ["2026"]
    (claims,) = [json.loads(block) for block in blocks if block.startswith("{")]
    assert origin_of({**claims, "sha": "c" * 40}, "docs/lanes.md") == origin()
