"""Files that no lane may publish: by hand, each with the rule that it breaks."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from support.lanes.wheels import (
    FILENAME,
    FOLDER,
    changed,
    metadata_of,
    record_of,
    sealed,
    wheel,
    wheel_document,
    wheel_parts,
)
from support.lanes.zips import LINK, STORED, Part, end_record, write_zip, zip64_records

__all__ = ["HOSTILE", "Hostile"]

CODE = "torch_acme/__init__.py"


@dataclass(frozen=True)
class Hostile:
    """A file as somebody uploads it, and the rule by which it is refused."""

    what: str
    rule: str
    body: bytes
    filename: str = FILENAME

    def __str__(self) -> str:
        return self.what


def _named() -> Iterator[Hostile]:
    """File names; what is inside is in order for the name where that can be."""
    good = wheel()
    table = {
        "file-name": [
            "torch_acme-1.0+acme.1-py3-none.whl",
            "torch_acme-1.0+acme.1.whl",
            "torch_acme.whl",
            ".whl",
            "",
            "torch_acme-1.0+acme.1-py3-none-any.WHL",
            "torch_acme-1.0+acme.1-py3-none-any.whl.exe",
            "torch_acme-1.0+acme.1-py3-none-any",
            "torch-acme-1.0+acme.1-py3-none-any.whl",
            "Torch_Acme-1.0+acme.1-py3-none-any.whl",
            "torch.acme-1.0+acme.1-py3-none-any.whl",
            "torch__acme-1.0+acme.1-py3-none-any.whl",
            "torch_acme-1.0.0.+acme-py3-none-any.whl",
            "torch_acme-v1.0+acme.1-py3-none-any.whl",
            "torch_acme-1.0+acme_1-py3-none-any.whl",
            "torch_acme-1.0+ACME.1-py3-none-any.whl",
            "torch_acme-01.0+acme.1-py3-none-any.whl",
            "torch_acme-1.0alpha1+acme.1-py3-none-any.whl",
            "torch_acme-abc-py3-none-any.whl",
            "torch_acme-1.0+acme.1-x1-py3-none-any.whl",
            "torch_acme-1.0+acme.1-py3-none-any-more-parts.whl",
            "torch_acme-1.0+acme.1-PY3-none-any.whl",
            "torch_acme-1.0+acme.1-py3-none-Any.whl",
            "torch_acme-1.0+acme.1-py3..py2-none-any.whl",
            "torch_acme-1.0+acme.1-py3-none-.whl",
            "torch_acme-1.0+acme.1-py3-none-an y.whl",
            "torch_acme-1.0+acme.1-py3-none-any\n.whl",
            "torch_acme-1.0+acme.1-py3-none-any.whl\n",
            "torch_acme-1.0+acme.1-py3-none-any\0.whl",
            "../torch_acme-1.0+acme.1-py3-none-any.whl",
            "..%2ftorch_acme-1.0+acme.1-py3-none-any.whl",
            "torch_acme-1.0%2Bacme.1-py3-none-any.whl",
            "/torch_acme-1.0+acme.1-py3-none-any.whl",
            "acme/torch_acme-1.0+acme.1-py3-none-any.whl",
            "torch_acme-1.0+acme.1-py3-none-any.whl/x",
            "tоrch_acme-1.0+acme.1-py3-none-any.whl",  # a Cyrillic letter
            "torch_acme-1.0+acme.１-py3-none-any.whl",  # a wide digit
            '<b>"torch_acme-1.0+acme.1-py3-none-any.whl',
            "torch_acme-1.0+acme.1-py3-none-" + "a" * 300 + ".whl",
        ],
        "no-wheel": [
            "torch_acme-1.0+acme.1.tar.gz",
            "torch_acme-1.0+acme.1.zip",
            "torch_acme-1.0+acme.1.TAR.GZ",
            "torch_acme-1.0+acme.1.tar.bz2",
        ],
        "package": [
            "torch-1.0+acme.1-py3-none-any.whl",
            "torch_acmee-1.0+acme.1-py3-none-any.whl",
            "acme-1.0+acme.1-py3-none-any.whl",
            "pip-1.0+acme.1-py3-none-any.whl",
            "t0rch_acme-1.0+acme.1-py3-none-any.whl",
            "torchacme-1.0+acme.1-py3-none-any.whl",
        ],
        "local-version": [
            "torch_acme-1.0-py3-none-any.whl",
            "torch_acme-1.0.post1-py3-none-any.whl",
            "torch_acme-1.0+acmeevil-py3-none-any.whl",
            "torch_acme-1.0+acme1-py3-none-any.whl",
            "torch_acme-1.0+other.acme-py3-none-any.whl",
            "torch_acme-1.0+1.acme-py3-none-any.whl",
            "torch_acme-1.0+cu128-py3-none-any.whl",
            "torch_acme-1.0.dev1-py3-none-any.whl",
        ],
    }
    for rule, names in table.items():
        for name in names:
            yield Hostile(f"the name {name[:60]!r}", rule, good, name)


def _paths() -> Iterator[Hostile]:
    """Entries whose names lead elsewhere; RECORD is right about them."""
    table: dict[str, list[str]] = {
        "name": [
            "../evil.py",
            "torch_acme/../../evil.py",
            "torch_acme/..",
            "torch_acme/./evil.py",
            "torch_acme//evil.py",
            "/etc/passwd",
            "//host/share/evil.py",
            "C:/evil.py",
            "C:evil.py",
            "torch_acme/evil.py:stream",
            "..\\evil.py",
            "torch_acme\\evil.py",
            "\\\\host\\share\\evil",
            "torch_acme/evil\r.py",
            "torch_acme/evil\n.py",
            "torch_acme/\x1b[2Jevil.py",
            "torch_acme/evil\x7f.py",
            "torch_acme/con.py",
            "torch_acme/NUL",
            "torch_acme/Aux.txt",
            "torch_acme/com1.dll",
            "torch_acme/evil.py.",
            "torch_acme/evil.py ",
            "torch_acme/ evil.py",
            "torch_acme. /evil.py",
            "torch_acme/what?.py",
            "torch_acme/*.py",
            "torch_acme/a|b.py",
            "torch_acme/<evil>.py",
            'torch_acme/"evil".py',
            "torch_acme/\u202eyp.live",  # right to left
            "torch_acme/\u200bevil.py",  # no width
            f"{'a/' * 130}evil.py",
            f"torch_acme/{'é' * 130}.py",
            f"{FOLDER[:-10]}.data/data/../../../evil",
            f"{FOLDER[:-10]}.data/scripts/../../evil",
            f"{FOLDER[:-10]}.data/data//etc/passwd",
            f"{FOLDER}/../evil",
        ],
        "name-collision": [
            "torch_acme/__INIT__.py",
            "Torch_Acme/evil.py",
            "TORCH_ACME/__init__.py",
            f"{FOLDER}/metadata",
            f"{FOLDER}/Record",
            "torch_acme",
            "torch_acme/__init__.py/evil.py",
        ],
        "other-package": [
            "torch-2.0.dist-info/METADATA",
            "torch-2.0.dist-info/RECORD",
            "torch_acme-1.0.dist-info/METADATA",
            "torch_acme-2.0+acme.1.dist-info/METADATA",
            "evil.egg-info/PKG-INFO",
            "evil.DIST-INFO/x",
            "torch-2.0.data/scripts/evil",
            ".dist-info/METADATA",
        ],
        "data-folder": [
            f"{FOLDER[:-10]}.data/evil",
            f"{FOLDER[:-10]}.data/stdlib/os.py",
            f"{FOLDER[:-10]}.data/Scripts/evil",
            f"{FOLDER[:-10]}.data/include/evil.h",
            f"{FOLDER[:-10]}.data/scripts/deep/evil",
            f"{FOLDER[:-10]}.data/data/bin/python3",
            f"{FOLDER[:-10]}.data/data/bin/pip",
            f"{FOLDER[:-10]}.data/data/bin/activate",
            f"{FOLDER[:-10]}.data/data/Scripts/python.exe",
            f"{FOLDER[:-10]}.data/data/pyvenv.cfg",
            f"{FOLDER[:-10]}.data/data/lib/python3.11/site-packages/torch/__init__.py",
            f"{FOLDER[:-10]}.data/data/lib64/python3.11/os.py",
            f"{FOLDER[:-10]}.data/data/Lib/python3/evil.pth",
            f"{FOLDER[:-10]}.data/data/conda-meta/history",
        ],
    }
    for rule, names in table.items():
        for name in names:
            flags = 0 if name.isascii() else 0x800
            parts = sealed([Part(name.encode(), b"evil", flags=flags), *wheel_parts()])
            yield Hostile(f"the entry {name[:50]!r}", rule, write_zip(parts))
    decomposed = [Part(name.encode(), b"", flags=0x800) for name in ("torch_acme/é.py", "torch_acme/e\u0301.py")]
    yield Hostile("two accents for one path", "name-collision", write_zip(sealed([*wheel_parts(), *decomposed])))
    yield Hostile("ß and ss", "name-collision", write_zip(sealed([*wheel_parts(), *_twins("ß", "SS")])))
    twice = wheel_parts()
    yield Hostile("one entry twice", "name-twice", write_zip([twice[0], *twice]))
    yield Hostile("METADATA twice", "name-twice", write_zip([*twice, twice[1]]))


def _twins(*names: str) -> list[Part]:
    return [Part(f"torch_acme/{name}.py".encode(), b"", flags=0 if name.isascii() else 0x800) for name in names]


def _records() -> Iterator[Hostile]:
    """RECORD, WHEEL and METADATA that are not about this file."""
    parts = wheel_parts()
    files = {part.name.decode(): part.body for part in parts[:-1]}
    own = f"{FOLDER}/RECORD"
    right = record_of(files, own).decode()
    first, *others = right.splitlines(keepends=True)
    table: list[tuple[str, str, str]] = [
        ("no line of a file", "record-unlisted", "".join(others)),
        ("nothing but itself", "record-unlisted", f"{own},,\n"),
        ("nothing", "record-unlisted", ""),
        ("a file that is not there", "record-missing", right + "torch_acme/gone.py,sha256=x,1\n"),
        ("a path with ..", "record-missing", right + "../../etc/passwd,sha256=x,1\n"),
        ("a path from the root", "record-missing", right + "/etc/passwd,,\n"),
        ("a file twice", "record", right + first),
        ("another hash", "record-hash", right.replace("sha256=", "sha256=A", 1)),
        ("an md5", "record-hash", right.replace("sha256=", "md5=", 1)),
        ("a sha1", "record-hash", right.replace("sha256=", "sha1=", 1)),
        ("no hash", "record-hash", f'"{CODE}",,300\n' + "".join(others)),
        ("another size", "record-hash", right.replace(",300\n", ",301\n")),
        ("no size", "record-hash", right.replace(",300\n", ",\n")),
        ("a size that lies in its form", "record-hash", right.replace(",300\n", ",0300\n")),
        ("two columns", "record", right + "a,b\n"),
        ("four columns", "record", right + "a,b,c,d\n"),
        ("an empty line", "record", right + "\n"),
        ("a quote that does not end", "record", right + '"a,b,1\n'),
        ("a hash of itself", "record", right.replace(f"{own},,", f"{own},sha256=x,1")),
        ("a hash of its signature", "record", right + f"{FOLDER}/RECORD.jws,sha256=x,1\n"),
        ("padding of base64", "record-hash", right.replace(",300\n", "=,300\n", 1)),
    ]
    for what, rule, text in table:
        yield Hostile(f"RECORD has {what}", rule, write_zip(changed(parts, "/RECORD", body=text.encode())))
    yield Hostile("RECORD is not UTF-8", "not-utf8", write_zip(changed(parts, "/RECORD", body=b"\xff,,\n")))
    yield Hostile("a file is changed afterwards", "record-hash", write_zip(changed(parts, CODE, body=b"evil" * 75)))
    for document in ("METADATA", "WHEEL", "RECORD"):
        left = [part for part in parts if not part.name.endswith(f"/{document}".encode())]
        yield Hostile(f"no {document}", "document-missing", write_zip(left))
    moved = [replace(part, name=part.name.replace(b"1.0+acme.1.dist", b"1.0.dist")) for part in parts]
    yield Hostile("documents in another folder", "document-missing", write_zip(moved))


def _wheel_documents() -> Iterator[Hostile]:
    table: list[tuple[str, str, bytes]] = [
        ("other tags", "tags", wheel_document(["cp311-cp311-linux_x86_64"])),
        ("one tag more", "tags", wheel_document(["py3-none-any", "py2-none-any"])),
        ("no tags", "tags", wheel_document([])),
        ("a build number", "build-number", wheel_document(more="Build: 7\n")),
        ("version 2", "wheel", wheel_document(version="2.0")),
        ("no version", "wheel", b"Tag: py3-none-any\nRoot-Is-Purelib: true\n"),
        ("two versions", "wheel", wheel_document(more="Wheel-Version: 1.0\n")),
        ("a strange purelib", "wheel", wheel_document().replace(b"true", b"perhaps")),
        ("nothing", "wheel", b""),
        ("no UTF-8", "not-utf8", b"\xff\xfe"),
    ]
    for what, rule, body in table:
        yield Hostile(f"WHEEL says {what}", rule, write_zip(wheel_parts(document=body)))


def _metadata() -> Iterator[Hostile]:
    table: list[tuple[str, str, bytes]] = [
        ("another name", "metadata-name", metadata_of("torch")),
        ("a name of no standard", "metadata-name", metadata_of("torch acme")),
        ("another version", "metadata-version", metadata_of(version="2.0+acme.1")),
        ("no local version", "metadata-version", metadata_of(version="1.0")),
        ("no name", "metadata", b"Metadata-Version: 2.1\nVersion: 1.0+acme.1\n\n"),
        ("an empty name", "metadata", metadata_of("")),
        ("no version", "metadata", b"Metadata-Version: 2.1\nName: torch-acme\n\n"),
        ("two names", "metadata", metadata_of(more="Name: torch\n")),
        ("two versions", "metadata", metadata_of(more="Version: 2.0\n")),
        ("a version that is none", "metadata", metadata_of(version="one")),
        ("nothing", "metadata", b""),
        ("no UTF-8", "metadata", metadata_of() + b"\xff"),
        ("UTF-16", "metadata", metadata_of().decode().encode("utf-16")),
        ("a NUL", "metadata", metadata_of() + b"\0"),
        ("no metadata version", "metadata", metadata_of().partition(b"\n")[2]),
        ("metadata version 9.0", "metadata", metadata_of().replace(b"2.1", b"9.0")),
        ("a requires-python that is none", "metadata", metadata_of(more="Requires-Python: <script>\n")),
        ("two requires-python", "metadata", metadata_of(more="Requires-Python: >=3\nRequires-Python: >=4\n")),
        ("a requirement by URL", "metadata", metadata_of(more="Requires-Dist: evil @ https://example.invalid/e.whl\n")),
        ("a requirement by file", "metadata", metadata_of(more="Requires-Dist: evil @ file:///etc/e.whl\n")),
        ("a requirement that is none", "metadata", metadata_of(more="Requires-Dist: ==\n")),
        ("binary rubbish", "metadata", bytes(range(256))),
    ]
    for what, rule, body in table:
        yield Hostile(f"METADATA says {what}", rule, write_zip(wheel_parts(metadata=body)))


def _bombs() -> Iterator[Hostile]:
    parts = wheel_parts()
    zeros = sealed([*parts, Part(b"torch_acme/zeros.bin", bytes(3_000_000))])
    yield Hostile("a file of zeros", "bomb", write_zip(zeros))
    yield Hostile("many large files", "bomb", write_zip([*parts, *_large(40)]))
    yield Hostile("a size that says much", "bomb", write_zip(changed(parts, CODE, size=2**31)))
    yield Hostile("a METADATA of 20 MB", "bomb", write_zip(changed(parts, "METADATA", size=15_999_000)))
    yield Hostile("too large a file", "size", bytes(4_000_001))
    deep = zlib.compress(zlib.compress(bytes(3_000_000)))
    yield Hostile(
        "a size that says little", "zip-sizes", write_zip(changed(parts, CODE, body=bytes(2_000_000), size=300))
    )
    yield Hostile("one byte more than it says", "zip-sizes", write_zip(changed(parts, CODE, size=299)))
    yield Hostile("one byte fewer than it says", "zip-sizes", write_zip(changed(parts, CODE, size=301)))
    yield Hostile("no deflated stream", "zip-stream", write_zip(changed(parts, CODE, stream=deep)))
    yield Hostile("a stream that is cut", "zip-stream", write_zip(changed(parts, CODE, stream=parts[0].data[:-1])))
    more = parts[0].data + b"evil"
    yield Hostile("a stream with more behind it", "zip-stream", write_zip(changed(parts, CODE, stream=more)))
    yield Hostile("a stream that is empty", "zip-stream", write_zip(changed(parts, CODE, stream=b"")))
    yield Hostile("another checksum", "zip-sum", write_zip(changed(parts, CODE, crc=1)))
    kernel = Part(b"torch_acme/kernel.bin", b"x" * 1000)
    yield Hostile("one kernel in many entries", "zip-gap", write_zip(_overlapping([*parts, kernel], 30)))


def _large(count: int) -> list[Part]:
    return [Part(f"torch_acme/{number}.bin".encode(), bytes(range(256)) * 2000) for number in range(count)]


def _overlapping(parts: Sequence[Part], count: int) -> list[Part]:
    """Entries of the directory that all name the place of one (D. Fifield, "A better zip bomb", WOOT 2019)."""
    at = len(write_zip(parts[:-1])) - sum(46 + len(part.name) for part in parts[:-1]) - 22
    others = [
        replace(parts[-1], name=f"torch_acme/{n}.bin".encode(), offset=at, is_written=False) for n in range(count)
    ]
    return [*parts, *others]


def _kinds() -> Iterator[Hostile]:
    parts = wheel_parts()
    fields: list[tuple[str, str, dict[str, object]]] = [
        ("a symbolic link", "zip-kind", {"attributes": LINK}),
        ("a device", "zip-kind", {"attributes": 0o020666 << 16}),
        ("a pipe", "zip-kind", {"attributes": 0o010666 << 16}),
        ("a socket", "zip-kind", {"attributes": 0o140666 << 16}),
        ("a folder by its mode", "zip-kind", {"attributes": 0o040755 << 16}),
        ("a folder of MS-DOS", "zip-kind", {"attributes": 0x10}),
        ("encrypted", "zip-encrypted", {"flags": 0x1}),
        ("strongly encrypted", "zip-encrypted", {"flags": 0x41}),
        ("masked", "zip-encrypted", {"flags": 0x2000}),
        ("with its sizes behind it", "zip-descriptor", {"flags": 0x8}),
        ("patched", "zip-flags", {"flags": 0x20}),
        ("packed by bzip2", "zip-method", {"method": 12}),
        ("packed by LZMA", "zip-method", {"method": 14}),
        ("packed by zstandard", "zip-method", {"method": 93}),
        ("packed by a method that is none", "zip-method", {"method": 0xFFFF}),
        ("stored, with two sizes", "zip-sizes", {"method": STORED, "size": 1}),
        ("with a comment", "zip-directory", {"comment": b"PK"}),
        ("on another disk", "zip-directory", {"disk": 1}),
        ("with another name at its place", "zip-local", {"local_name": b"torch_acme/__evil__.py"}),
        ("with a shorter name at its place", "zip-local", {"local_name": b"evil.py"}),
        ("encrypted at its place", "zip-local", {"local_flags": 1}),
        ("stored at its place", "zip-local", {"local_method": 0}),
        ("with another checksum at its place", "zip-local", {"local_crc": 7}),
        ("smaller at its place", "zip-local", {"local_packed": 1}),
        ("larger at its place", "zip-local", {"local_size": 1 << 30}),
        ("without a signature", "zip-local", {"local_signature": b"PK\5\6"}),
        ("not at its place", "zip-gap", {"offset": 1}),
        ("behind the end", "zip-gap", {"offset": 0xFFFFFFFE}),
        ("longer than the archive", "zip-gap", {"packed": 1 << 30, "size": 1000}),
        ("before a gap", "zip-gap", {"behind": b"evil"}),
        ("not in the directory", "zip-gap", {"is_listed": False}),
        ("not at all there", "zip-local", {"is_written": False}),
        ("with another name for some", "zip-extra", {"extra": _field(0x7075, b"\1\0\0\0\0evil.py")}),
        ("with a name for some at its place", "zip-extra", {"local_extra": _field(0x7075, b"\1\0\0\0\0evil.py")}),
        ("with extra fields that are cut", "zip-extra", {"extra": b"\1"}),
        ("with an extra field that is longer", "zip-extra", {"extra": struct.pack("<2H", 7, 100) + b"x"}),
        ("with a field twice", "zip-extra", {"extra": _field(0x5455, b"") * 2}),
        ("with zip64 for nothing", "zip64", {"extra": _field(1, bytes(8))}),
        ("with zip64 that is short", "zip64", {"extra": _field(1, bytes(4)), "size": 0xFFFFFFFF}),
        ("with a size in zip64", "bomb", {"extra": _field(1, struct.pack("<Q", 1 << 40)), "size": 0xFFFFFFFF}),
        ("with an offset in zip64", "zip-gap", {"extra": _field(1, struct.pack("<Q", 1 << 40)), "offset": 0xFFFFFFFF}),
        ("with zip64 at its place alone", "zip64", {"local_extra": _field(1, struct.pack("<2Q", 1, 1))}),
        ("with short zip64 at its place", "zip64", {"local_extra": _field(1, bytes(8))}),
    ]
    for what, rule, given in fields:
        yield Hostile(f"an entry {what}", rule, write_zip(changed(parts, CODE, **given)))
    folder = Part(b"torch_acme/sub/", b"evil", attributes=0o040755 << 16)
    yield Hostile("a folder with contents", "zip-sizes", write_zip([*parts, folder]))
    bad = Part(b"torch_acme/\xff.py", b"")
    yield Hostile("a name in no encoding", "zip-name", write_zip([*parts, bad]))
    yield Hostile("a name in bad UTF-8", "zip-name", write_zip([*parts, replace(bad, flags=0x800)]))
    nul = Part(b"torch_acme/evil.py\0.txt", b"evil")
    yield Hostile("a name with a NUL", "zip-name", write_zip([*parts, nul]))


def _field(kind: int, body: bytes) -> bytes:
    return struct.pack("<2H", kind, len(body)) + body


def _archives() -> Iterator[Hostile]:
    parts = wheel_parts()
    good = write_zip(parts)
    other = write_zip(wheel_parts(files={"torch_acme/evil.py": b"evil"}))
    directory = len(good) - 22 - sum(46 + len(part.name) for part in parts)
    length, count = len(good) - 22 - directory, len(parts)
    bare = good[:-22]

    def zip64(**lies: int) -> bytes:
        return bare + zip64_records(count, length, directory, len(bare), **lies) + good[-22:]

    table: list[tuple[str, str, bytes]] = [
        ("empty", "zip-end", b""),
        ("not a zip", "zip-end", b"hello" * 100),
        ("a tar", "zip-end", _tar()),
        ("gzipped", "zip-end", gzip.compress(good, mtime=0)),
        ("an empty zip", "zip-entries", write_zip([])),
        ("cut at the end", "zip-end", good[:-1]),
        ("cut in the middle", "zip-end", good[: len(good) // 2]),
        ("followed by text", "zip-end", good + b"#!/bin/sh\n"),
        ("followed by NULs", "zip-end", good + bytes(100)),
        ("followed by a program", "zip-end", good + b"\x7fELF" + bytes(60)),
        ("with a comment", "zip-end", write_zip(parts, comment=b"evil")),
        ("with a comment that ends an archive", "zip-directory", write_zip(parts, comment=good[-22:])),
        ("with a program before it", "zip-gap", write_zip(parts, before=b"\x7fELF" + bytes(60))),
        ("with a script before it", "zip-gap", write_zip(parts, before=b"#!/usr/bin/env python3\n")),
        ("with a program before it, and old offsets", "zip-directory", b"MZ" + good),
        ("with another archive before it", "zip-directory", other + good),
        ("with another archive before it, offsets right", "zip-gap", write_zip(parts, before=other)),
        ("with another archive behind it", "zip-directory", good + other),
        ("with a gap before the directory", "zip-gap", write_zip(parts, gap=b"evil")),
        ("with two directories", "zip-gap", write_zip(parts, gap=good[directory:-22])),
        ("with two directories and ends", "zip-gap", write_zip(parts, gap=good[directory:])),
        ("with more in its directory", "zip-directory", write_zip(parts, in_directory=b"evil")),
        ("with a signature in its directory", "zip-directory", write_zip(parts, in_directory=b"PK\5\5\0\0")),
        ("with two ends", "zip-directory", good + good[-22:]),
        ("with an entry fewer than it says", "zip-directory", bare + end_record(count + 1, length, directory)),
        ("with an entry more than it says", "zip-directory", bare + end_record(count - 1, length, directory)),
        ("with no entry, it says", "zip-entries", bare + end_record(0, length, directory)),
        ("with too many entries", "zip-entries", bare + end_record(65_000, length, directory)),
        ("with a shorter directory", "zip-directory", bare + end_record(count, length - 1, directory)),
        ("with a longer directory", "zip-directory", bare + end_record(count, length + 1, directory)),
        ("with a directory elsewhere", "zip-directory", bare + end_record(count, length, 0)),
        ("with a directory of 4 GB", "zip-entries", bare + end_record(count, 0xFFFFFFF0, directory)),
        ("on two disks", "zip-disks", bare + end_record(count, length, directory, disk=1)),
        ("with entries on another disk", "zip-disks", bare + end_record(count, length, directory, here=1)),
        ("zip64 of another size", "zip64", zip64(size=60)),
        ("zip64 elsewhere", "zip64", zip64(offset=0)),
        ("zip64 on two disks", "zip64", zip64(disks=2)),
        ("zip64 with entries elsewhere", "zip64", zip64(here=1)),
        ("zip64 that differs", "zip64", bare + zip64_records(1, length, directory, len(bare)) + good[-22:]),
        ("zip64 with a directory elsewhere", "zip64", bare + zip64_records(count, length, 0, len(bare)) + good[-22:]),
        ("zip64 that is promised alone", "zip-entries", bare + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)),
    ]
    for what, rule, body in table:
        yield Hostile(f"an archive {what}", rule, body)


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("torch_acme/__init__.py"))
    return out.getvalue()


_MAKERS: tuple[Callable[[], Iterator[Hostile]], ...] = (
    _named, _paths, _records, _wheel_documents, _metadata, _bombs, _kinds, _archives,
)  # fmt: skip

HOSTILE: tuple[Hostile, ...] = tuple(hostile for maker in _MAKERS for hostile in maker())
