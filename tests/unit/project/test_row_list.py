"""The list of rows that is kept for `nox -l` is of this catalogue and of these files, or it is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.errors import ConfigurationError
from imageyard.project.checkout import Checkout
from imageyard.project.row_list import row_list

CATALOGUE = """\
axes: {plain: {linux, x}}
images:
  f: {dockerfile: Dockerfile, args: {V: "file:/pins/v.txt"}, tags: ["v{V}"], names: {linux-x: }}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins" / "v.txt").write_text("1\n")
    (tmp_path / "images.yml").write_text(CATALOGUE)
    return Checkout(tmp_path / "images.yml", tmp_path)


def test_a_file_that_an_arg_is_read_from_counts(checkout: Checkout) -> None:
    assert [row.tags for row in row_list(checkout)] == [("v1",)]
    kept = (checkout.state / "listing.json").read_bytes()
    assert [row.tags for row in row_list(checkout)] == [("v1",)]
    assert (checkout.state / "listing.json").read_bytes() == kept

    (checkout.top / "pins" / "v.txt").write_text("2\n")
    assert [row.tags for row in row_list(checkout)] == [("v2",)]


def test_a_file_that_is_gone_is_said_as_without_a_list(checkout: Checkout) -> None:
    row_list(checkout)
    (checkout.top / "pins" / "v.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"there is no file pins/v\.txt"):
        row_list(checkout)


def test_a_file_is_read_through_links_and_never_out_of_the_repository(checkout: Checkout) -> None:
    (checkout.top / "pins" / "v.txt").unlink()
    (checkout.top / "pins" / "w.txt").write_text("3\n")
    (checkout.top / "pins" / "v.txt").symlink_to("w.txt")
    assert [row.tags for row in row_list(checkout)] == [("v3",)]
    (checkout.top / "pins" / "v.txt").unlink()
    (checkout.top / "pins" / "v.txt").symlink_to("../../outside.txt")
    (checkout.top.parent / "outside.txt").write_text("4\n")
    with pytest.raises(ConfigurationError, match="leads out of the repository"):
        row_list(checkout)
