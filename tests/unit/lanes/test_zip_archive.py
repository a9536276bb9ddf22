"""The layers below a wheel: paths that mean one thing, a structure that all readers share, contents within bounds."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.zip_contents import ZipBounds, read_contents
from imageyard.lanes.zip_names import check_names
from imageyard.lanes.zip_structure import read_directory, read_exactly
from support.lanes.zips import Part, write_zip


@pytest.mark.parametrize(
    "names",
    [
        ["a/b.py", "a/c.py", "b/"],
        ["a/", "a/b/", "a/b/c"],
        ["größe/x", "...hidden", "a..b", "-rf", "~", "con_sole.py", "console"],
    ],
)
def test_names_that_mean_one_path(names: list[str]) -> None:
    check_names(names)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["a", "a"], "name-twice"),
        (["a/", "a/"], "name-twice"),
        (["a", "A"], "name-collision"),
        (["a", "a/"], "name-collision"),
        (["a/b", "A/c"], "name-collision"),
        (["a/b", "a"], "name-collision"),
        (["straße", "STRASSE"], "name-collision"),
        (["a/../b"], "name"),
        ([""], "name"),
    ],
)
def test_names_that_do_not(names: list[str], rule: str) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(FileRefused) as refused:
            check_names(order)
        assert refused.value.rule == rule


FILES = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.binary(max_size=2000), min_size=1, max_size=6)


@given(FILES, st.sampled_from([0, 8]))
def test_what_is_read_is_what_was_written(files: dict[str, bytes], method: int) -> None:
    body = write_zip([Part(name.encode(), content, method) for name, content in files.items()])
    directory = read_directory(io.BytesIO(body))
    contents = read_contents(io.BytesIO(body), directory, ZipBounds(10**6), list(files))
    assert dict(contents.bodies) == files
    assert contents.digests == {n: (hashlib.sha256(c).digest(), len(c)) for n, c in files.items()}
    assert contents.sha256 == hashlib.sha256(body).hexdigest()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files


class Counted(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        body = super().read(size)
        self.count += len(body)
        return body


def test_a_file_is_read_once() -> None:
    """At a bucket every byte is a part of an answer: the directory is read twice, and nothing else."""
    body = write_zip([Part(b"large.bin", bytes(range(256)) * 4000, 0), Part(b"small", b"x")])
    file = Counted(body)
    read_contents(file, read_directory(file), ZipBounds(10**7), ())
    assert len(body) < file.count < len(body) + 500


def test_a_file_that_is_shorter_than_it_was() -> None:
    body = write_zip([Part(b"a", b"x" * 100, 0)])
    directory = read_directory(io.BytesIO(body))
    with pytest.raises(FileRefused) as refused:
        read_contents(io.BytesIO(body[:50]), directory, ZipBounds(10**6), ())
    assert refused.value.rule == "zip-cut"
    with pytest.raises(FileRefused):
        read_exactly(io.BytesIO(body), len(body) - 1, 2)
