"""A kept listing is the catalogue's own, or none."""

import pytest
from imageyard.catalogue import listing, text
from imageyard.catalogue.expand import expand
from imageyard.names import ARCHES

SOURCE = b"""
axes: {plain: {base, child}}
images:
  f:
    dockerfile: Dockerfile
    arches: [amd64, arm64]
    names:
      child: {args: {BASE: "image:base"}, tags: [nightly]}
      base:
"""
ROWS = listing.listed(expand(text.parse(SOURCE)).catalogue)
KEY = listing.key(SOURCE, "images.yml")


def test_a_listing_names_rows_parents_first():
    assert ROWS == (
        ("base", "amd64", "f", ()),
        ("child", "amd64", "f", ("nightly",)),
        ("base", "arm64", "f", ()),
        ("child", "arm64", "f", ("nightly",)),
    )


def test_rows_of_every_architecture_are_listed():
    every = SOURCE.replace(b"amd64, arm64", ", ".join(ARCHES).encode())
    rows = listing.listed(expand(text.parse(every)).catalogue)
    assert [row[:2] for row in rows] == [(name, arch) for arch in ARCHES for name in ("base", "child")]
    key = listing.key(every, "images.yml")
    assert listing.loads(listing.dumps(key, rows), key) == rows


def test_what_was_kept_comes_back():
    assert listing.loads(listing.dumps(KEY, ROWS), KEY) == ROWS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        listing.dumps(KEY, ROWS)[:-3],
        listing.dumps(KEY, ROWS).replace(b'"rows":[[', b'"rows":[[1,2,3,4,5],['),
        listing.dumps(listing.key(SOURCE + b"#", "images.yml"), ROWS),
        listing.dumps(listing.key(SOURCE, "other.yml"), ROWS),
    ],
    ids=["empty", "binary", "list", "map", "null", "deep", "cut", "odd row", "other text", "other file"],
)
def test_what_is_damaged_or_anothers_is_not_believed(data):
    assert listing.loads(data, KEY) is None
