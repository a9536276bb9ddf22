"""Wheels that a lane may publish, and those that it may not: by hand, by real builds, and at random."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zipfile
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.wheel import WheelFacts, WheelRules, check_file_name, read_wheel
from support.lanes.hostile import HOSTILE, Hostile
from support.lanes.wheels import FILENAME, FOLDER, RULES, metadata_of, sealed, wheel, wheel_parts
from support.lanes.zips import STORED, Part, write_zip, zip64_records


def read(body: bytes, filename: str = FILENAME) -> WheelFacts:
    return read_wheel(io.BytesIO(body), filename, RULES)


def test_the_facts_of_a_wheel() -> None:
    body = wheel()
    facts = read(body)
    assert facts == WheelFacts(
        FILENAME,
        "torch-acme",
        "1.0+acme.1",
        "",
        ("py3-none-any",),
        ">=3.8",
        len(body),
        hashlib.sha256(body).hexdigest(),
        metadata_of(),
    )


@pytest.mark.parametrize(
    "filename",
    [
        "torch_acme-1.0+acme-py3-none-any.whl",
        "torch_acme-1.0+acme.1.2-py3-none-any.whl",
        "torch_acme-2.9.0.dev20261128+acme.rocm7-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torch_acme-1.0+acme-7-py3-none-any.whl",
        "torch_acme-1.0+acme-7abc-py2.py3-none-any.whl",
        "acme_tools-1!2.0rc1.post2+acme.9-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "acme_tools-1.0+acme-cp39-abi3-win_amd64.whl",
    ],
)
def test_names_that_are_published(filename: str) -> None:
    assert read(wheel(filename), filename).filename == filename


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_what_is_refused(hostile: Hostile) -> None:
    with pytest.raises(FileRefused) as refused:
        read(hostile.body, hostile.filename)
    assert refused.value.rule == hostile.rule
    assert refused.value.hint != ()
    assert all(refused.value.hint)


def test_there_are_many_of_them_and_no_two_are_the_same() -> None:
    assert len(HOSTILE) >= 200
    assert len({(hostile.filename, hostile.body) for hostile in HOSTILE}) == len(HOSTILE)
    assert len(Counter(hostile.rule for hostile in HOSTILE)) >= 35


FINE = {
    "stored": write_zip([Part(part.name, part.body, STORED) for part in wheel_parts()]),
    "folders of their own": write_zip(
        [Part(b"torch_acme/", method=STORED, attributes=0o040755 << 16 | 0x10), *wheel_parts()]
    ),
    "an empty file": write_zip(wheel_parts(files={"torch_acme/empty.py": b""})),
    "a name that is not ASCII": write_zip(wheel_parts(files={"torch_acme/größe.py": b"x"})),
    "times of Info-ZIP": write_zip(
        [Part(p.name, p.body, extra=struct.pack("<2HBL", 0x5455, 5, 1, 0)) for p in wheel_parts()]
    ),
    "a script, data, a header": write_zip(
        wheel_parts(
            files={
                f"{FOLDER[:-10]}.data/scripts/acme-smi": b"#!python\n",
                f"{FOLDER[:-10]}.data/data/share/acme/x": b"x",
                f"{FOLDER[:-10]}.data/data/lib/libacme.so": b"x",
                f"{FOLDER[:-10]}.data/headers/acme.h": b"x",
            }
        )
    ),
    "a signature that RECORD does not name": write_zip([*wheel_parts(), Part(f"{FOLDER}/RECORD.jws".encode(), b"{}")]),
}


@pytest.mark.parametrize("body", FINE.values(), ids=FINE)
def test_what_is_fine(body: bytes) -> None:
    assert read(body).sha256 == hashlib.sha256(body).hexdigest()


def zip64_of(parts: list[Part]) -> bytes:
    """Every size and offset where zip64 has it, as zipfile writes an archive of more than 4 GB."""
    plain = write_zip(parts)
    start = len(plain) - 22 - sum(46 + len(part.name) for part in parts)
    length = len(plain) - 22 - start
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return write_zip(parts, records=zip64_records(len(parts), length, start, start + length), end=end)


def test_zip64_that_says_the_same() -> None:
    assert read(zip64_of(wheel_parts())).version == "1.0+acme.1"


@pytest.mark.parametrize("is_forced", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_the_standard_library_writes(is_forced: bool, method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for part in wheel_parts():
            with archive.open(zipfile.ZipInfo(part.name.decode()), "w", force_zip64=is_forced) as file:
                file.write(part.body)
    assert read(out.getvalue()).metadata == metadata_of()


def test_a_stream_that_cannot_be_sought_gets_sizes_behind_its_entries() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.body = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.body += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[arg-type]
        for part in wheel_parts():
            archive.writestr(part.name.decode(), part.body)
    with pytest.raises(FileRefused) as refused:
        read(pipe.body)
    assert refused.value.rule == "zip-descriptor"


def test_no_more_is_unpacked_than_an_entry_says() -> None:
    """A bomb ends at the first piece that is too many: a stream of 1 GB unpacks to 2 MiB here."""
    deflated = wheel_parts()[0]
    rules = WheelRules(RULES.packages, RULES.local, max_bytes=10**9, max_unpacked=10**9)
    stream = Part(deflated.name, bytes(50_000_000)).data
    body = write_zip([Part(deflated.name, b"x" * 300, stream=stream), *wheel_parts()[1:]])
    with pytest.raises(FileRefused) as refused:
        read_wheel(io.BytesIO(body), FILENAME, rules)
    assert refused.value.rule == "zip-sizes"


def test_a_refusal_says_what_may_be_published() -> None:
    with pytest.raises(FileRefused) as refused:
        check_file_name("torch-2.0+acme-py3-none-any.whl", RULES)
    assert str(refused.value) == (
        "error: the lane does not publish 'torch'\n  next: its packages are: acme-tools, torch-acme"
    )


GOOD = wheel()


def outcome(body: bytes, filename: str = FILENAME) -> str:
    """The rule that refuses a file, or nothing; any other error is a fault of ours."""
    try:
        facts = read(body, filename)
    except FileRefused as refused:
        return refused.rule if refused.hint else "no hint"
    assert facts.sha256 == hashlib.sha256(body).hexdigest()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.read(f"{FOLDER}/METADATA") == facts.metadata
        assert archive.testzip() is None
    return ""


def test_a_bit_that_is_turned() -> None:
    """Each of the file's bits: Python's own reader takes what is accepted."""
    for at in range(8 * len(GOOD)):
        body = bytearray(GOOD)
        body[at // 8] ^= 1 << at % 8
        assert outcome(bytes(body)) != "no hint"


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_byte_that_is_another_one(at: int, mask: int) -> None:
    """It is refused, or says nothing: what it unpacks to is what RECORD says in any case."""
    body = bytearray(GOOD)
    body[at] ^= mask
    assert outcome(bytes(body)) != "no hint"


@given(st.data())
def test_files_that_are_cut_joined_and_shuffled(data: st.DataObject) -> None:
    pieces = []
    for _ in range(data.draw(st.integers(1, 4))):
        begin, end = sorted(data.draw(st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))))
        pieces.append(GOOD[begin:end])
    body = b"".join(pieces)
    assert (outcome(body) == "") == (body == GOOD)


@given(st.binary(max_size=300))
def test_whatever_is_added_is_refused(more: bytes) -> None:
    at = random.Random(more).randrange(len(GOOD) + 1)
    assert (outcome(GOOD[:at] + more + GOOD[at:]) == "") == (not more)


PATHS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(PATHS, st.binary(max_size=50))
def test_entries_of_any_name(path: str, body: bytes) -> None:
    """What is accepted has one meaning everywhere: no part of it leads up, out, or to another entry."""
    flags = 0 if path.isascii() else 0x800
    name = f"torch_acme/{path}"
    parts = sealed([*wheel_parts(), Part(name.encode(), b"" if path.endswith("/") else body, flags=flags)])
    if not outcome(write_zip(parts)):
        assert ".." not in name.split("/")
        assert not set(name) & set('\\:*?"<>|')
        assert name.isprintable()


@given(st.text(max_size=60))
def test_file_names_of_any_text(filename: str) -> None:
    assert outcome(GOOD, filename) == "" or filename != FILENAME
    assert outcome(GOOD, f"{filename}-1.0+acme.1-py3-none-any.whl") != "" or filename == "torch_acme"


@given(st.binary(max_size=400))
def test_metadata_of_any_bytes(body: bytes) -> None:
    assert outcome(write_zip(wheel_parts(metadata=body))) == "metadata"


LINES = (
    "Name: torch-acme", "Version: 1.0+acme.1", "Metadata-Version: 2.1", "Name: x", ": y", " folded", "",
    "Requires-Dist: a @ file:///b", "Requires-Python: !",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=9))
def test_metadata_of_any_lines(lines: list[str]) -> None:
    head = lines[: lines.index("")] if "" in lines else lines
    if not outcome(write_zip(wheel_parts(metadata="\n".join(lines).encode()))):
        assert sorted(line for line in head if line not in (" folded", ": y")) == sorted(LINES[:3])


@given(st.binary(max_size=300))
def test_records_of_any_bytes(body: bytes) -> None:
    parts = [Part(p.name, body) if p.name.endswith(b"/RECORD") else p for p in wheel_parts()]
    assert outcome(write_zip(parts)) != ""
