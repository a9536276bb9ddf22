"""Wheels that a lane may publish, from parts that a test can change."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imageyard.lanes.wheel import WheelRules
from support.lanes.zips import Part, write_zip

__all__ = [
    "FILENAME",
    "FOLDER",
    "RULES",
    "changed",
    "metadata_of",
    "record_of",
    "sealed",
    "wheel",
    "wheel_document",
    "wheel_parts",
]

RULES = WheelRules(("torch-acme", "acme-tools"), "acme", max_bytes=4_000_000, max_unpacked=16_000_000)
FILENAME = "torch_acme-1.0+acme.1-py3-none-any.whl"
FOLDER = "torch_acme-1.0+acme.1.dist-info"


def metadata_of(name: str = "torch-acme", version: str = "1.0+acme.1", more: str = "Requires-Python: >=3.8\n") -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\nWhat it is.\n".encode()


def wheel_document(tags: Sequence[str] = ("py3-none-any",), more: str = "", version: str = "1.0") -> bytes:
    lines = [
        f"Wheel-Version: {version}",
        "Generator: tests 1",
        "Root-Is-Purelib: true",
        *(f"Tag: {tag}" for tag in tags),
    ]
    return ("\n".join(lines) + "\n" + more).encode()


def record_of(files: Mapping[str, bytes], own: str) -> bytes:
    lines = [f'"{path}",{_told(body)},{len(body)}' for path, body in files.items()]
    return ("\n".join([*lines, f"{own},,"]) + "\n").encode()


def _told(body: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def wheel_parts(
    stem: str = "torch_acme-1.0+acme.1",
    files: Mapping[str, bytes] | None = None,
    metadata: bytes | None = None,
    document: bytes | None = None,
) -> list[Part]:
    """The entries of a wheel with its RECORD: the code, `files`, then the documents."""
    name, _, version = stem.partition("-")
    folder = f"{stem}.dist-info"
    everything = {
        f"{name}/__init__.py": b"x = 1\n" * 50,
        **(files or {}),
        f"{folder}/METADATA": metadata_of(name.replace("_", "-"), version) if metadata is None else metadata,
        f"{folder}/WHEEL": wheel_document() if document is None else document,
    }
    return sealed([Part(path.encode(), body, flags=_flags(path)) for path, body in everything.items()], folder)


def _flags(path: str) -> int:
    return 0 if path.isascii() else 0x800


def sealed(parts: Sequence[Part], folder: str = FOLDER) -> list[Part]:
    """Parts, with a RECORD that is right about them."""
    own = f"{folder}/RECORD"
    kept = [part for part in parts if part.name.decode() != own]
    files = {part.name.decode(): part.body for part in kept if not part.name.endswith(b"/")}
    return [*kept, Part(own.encode(), record_of(files, own))]


def wheel(filename: str = FILENAME, files: Mapping[str, bytes] | None = None, more: str = "") -> bytes:
    """A wheel of this name that is in order."""
    stem = "-".join(filename.split("-")[:2])
    tags = filename.removesuffix(".whl").split("-")[-3:]
    expanded = [f"{p}-{a}-{o}" for p in tags[0].split(".") for a in tags[1].split(".") for o in tags[2].split(".")]
    build = filename.split("-")[2] if filename.count("-") == 5 else ""
    name, _, version = stem.partition("-")
    document = wheel_document(expanded, f"Build: {build}\n" if build else "")
    metadata = metadata_of(name.replace("_", "-"), version, f"Requires-Python: >=3.8\n{more}")
    return write_zip(wheel_parts(stem, files, metadata, document))


def changed(parts: Sequence[Part], name: str, **fields: object) -> list[Part]:
    """Parts, one of them with other fields."""
    assert any(part.name.decode().endswith(name) for part in parts)
    return [replace(part, **fields) if part.name.decode().endswith(name) else part for part in parts]  # type: ignore[arg-type]
