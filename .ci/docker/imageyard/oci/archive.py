"""An image as an engine hands it over: an OCI image layout in a tar (OCI image-spec 1.1, "Image Layout")."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from imageyard.errors import EnvironmentLacks
from imageyard.names import Digest
from imageyard.oci.manifests import READ_LIMIT, Descriptor, Index, matches, parse
from imageyard.oci.raw import Raw

__all__ = ["Archive"]

_TOO_OLD = "docker save writes this layout from Docker 25 on: inv doctor says which engine answers"


class Archive:
    """The blobs of one image, and `root`: what points at all of them. Blobs may be read by several threads at once."""

    def __init__(self, file: Path) -> None:
        """Raises EnvironmentLacks where the tar holds no such layout, or more than one image."""
        self._file = file
        self.name = "the engine"
        with tarfile.open(file) as tar:
            self._places = {m.name.removeprefix("./"): (m.offset_data, m.size) for m in tar if m.isreg()}
        if "index.json" not in self._places:
            raise EnvironmentLacks("the engine does not hand images over as an OCI layout", hint=_TOO_OLD)
        index = parse(self._whole("index.json"))
        if not isinstance(index, Index) or len(index.manifests) != 1:
            raise EnvironmentLacks("the engine did not hand over one image", hint=_TOO_OLD)
        self.root: Descriptor = index.manifests[0]
        self._types = {self.root.digest: self.root.media_type}

    def digest_of(self, name: str) -> Digest | None:
        """The digest of a manifest, where the archive has it."""
        return Digest(name) if self.has_blob(Digest(name)) else None

    def manifest(self, name: str) -> Raw | None:
        """A manifest or an index by its digest, None where it is not there."""
        return self.required(Digest(name)) if self.has_blob(Digest(name)) else None

    def required(self, digest: Digest) -> Raw:
        """A manifest or an index. Raises EnvironmentLacks where it is not there, or its bytes are others."""
        name = self._name(digest)
        if self._places[name][1] > READ_LIMIT or not matches(body := self._whole(name), digest):
            raise EnvironmentLacks(f"the engine handed over something else than {digest}")
        document = parse(body, self._types.get(digest))
        if isinstance(document, Index):
            self._types |= {child.digest: child.media_type for child in document.manifests}
        return Raw(document.media_type, digest, body)

    def has_blob(self, digest: Digest) -> bool:
        """Whether the archive has the blob."""
        return _place(digest) in self._places

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """A blob as a file of its own, seekable. Raises EnvironmentLacks where it is not there."""
        return io.BufferedReader(_Window(self._file, *self._places[self._name(blob.digest)]))

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Nothing: an engine hands an image over, and not what refers to it."""
        return ()

    def tags(self) -> Iterator[str]:
        """No tag: which image it is, is known from whom it was asked for."""
        return iter(())

    def _name(self, digest: Digest) -> str:
        name = _place(digest)
        if name not in self._places:
            raise EnvironmentLacks(
                f"the engine does not have all of the image: {digest} is missing",
                hint="build it again: inv build IMAGE --force",
            )
        return name

    def _whole(self, name: str) -> bytes:
        offset, size = self._places[name]
        with self._file.open("rb") as file:
            file.seek(offset)
            return file.read(size)


def _place(digest: Digest) -> str:
    return f"blobs/{digest.replace(':', '/')}"


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: Path, offset: int, size: int) -> None:
        super().__init__()
        self._under = file.open("rb", buffering=0)
        self._offset = offset
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._under.seek(self._offset + self._at)
        piece = self._under.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._under.close()
        super().close()
