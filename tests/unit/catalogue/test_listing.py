"""A kept listing is the catalogue's own, or none."""

import pytest
from imageyard.catalogue import listing, text
from imageyard.catalogue.arg_files import from_files
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
      base: {args: {V: "file:/version.txt"}}
"""
KEPT = listing.listed(expand(text.parse(SOURCE), files=from_files({"version.txt": b"1.2\n"})))
KEY = listing.key(SOURCE, "images.yml")


def test_a_listing_names_rows_parents_first():
    assert KEPT.rows == (
        ("base", "amd64", "f", ()),
        ("child", "amd64", "f", ("nightly",)),
        ("base", "arm64", "f", ()),
        ("child", "arm64", "f", ("nightly",)),
    )


def test_a_listing_knows_the_files_that_args_are_read_from():
    assert KEPT.files == {"version.txt": listing.digest(b"1.2\n")}


def test_rows_of_every_architecture_are_listed():
    every = SOURCE.replace(b"amd64, arm64", ", ".join(ARCHES).encode())
    kept = listing.listed(expand(text.parse(every), files=from_files({"version.txt": b"1.2"})))
    assert [row[:2] for row in kept.rows] == [(name, arch) for arch in ARCHES for name in ("base", "child")]
    key = listing.key(every, "images.yml")
    assert listing.loads(listing.dumps(key, kept), key) == kept


def test_what_was_kept_comes_back():
    assert listing.loads(listing.dumps(KEY, KEPT), KEY) == KEPT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        listing.dumps(KEY, KEPT)[:-3],
        listing.dumps(KEY, KEPT).replace(b'"rows":[[', b'"rows":[[1,2,3,4,5],['),
        listing.dumps(KEY, KEPT).replace(b'"files":{', b'"files":[],"other":{'),
        listing.dumps(listing.key(SOURCE + b"#", "images.yml"), KEPT),
        listing.dumps(listing.key(SOURCE, "other.yml"), KEPT),
    ],
    ids=["empty", "binary", "list", "map", "null", "deep", "cut", "odd row", "odd files", "other text", "other file"],
)
def test_what_is_damaged_or_anothers_is_not_believed(data):
    assert listing.loads(data, KEY) is None
