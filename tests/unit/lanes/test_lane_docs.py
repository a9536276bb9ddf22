"""What docs/lanes.md shows is what is read and printed."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent

from support.lanes.catalogues import of

TOP = Path(__file__).parents[3]
TEXT = (TOP / "docs" / "lanes.md").read_text()


def test_the_terraform_of_one_vendor_is_the_golden_file() -> None:
    shown = TEXT.partition("## The Terraform of one vendor")[2]
    assert indent((TOP / "tests" / "golden" / "lanes" / "acme.tf").read_text(), "    ").strip() in shown


def test_the_catalogue_that_is_shown_can_be_read() -> None:
    block = re.search(r"\n\n((?:    .*\n)+)", TEXT)
    assert block
    assert of(dedent(block[1])).lane("acme").packages == ("torch-acme",)
