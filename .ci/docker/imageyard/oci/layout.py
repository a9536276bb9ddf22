"""A place in a folder: an OCI image layout (OCI image-spec 1.1, "Image Layout")."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from imageyard.errors import ConfigurationError, NotFound, Transient
from imageyard.files import atomic_write, locked, make_folder
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_INDEX, READ_LIMIT, Descriptor, matches, parse
from imageyard.oci.memory import referrer_entry
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, require_parts

__all__ = ["LayoutStore"]

_NAME = "org.opencontainers.image.ref.name"
"""The annotation that holds a tag (OCI image-spec 1.1, annotations.md)."""
_PIECE = 1 << 20


class LayoutStore:
    """Blobs by digest; `index.json` lists what has a tag or a subject. Several processes may write at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def digest_of(self, name: str) -> Digest | None:
        """The digest of the manifest that a tag or a digest names."""
        tagged = {tag: Digest(entry["digest"]) for entry in self._entries() if (tag := _tag_of(entry)) is not None}
        digest = tagged.get(name, Digest(name) if ":" in name else None)
        return digest if digest is not None and self._read(digest) is not None else None

    def manifest(self, name: str) -> Raw | None:
        """The manifest that a tag or a digest names. Raises ConfigurationError for bytes of another digest."""
        digest = self.digest_of(name)
        return None if digest is None else self._read(digest)

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return self._path(digest).is_file()

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a file. Raises NotFound where it is not there."""
        try:
            return self._path(blob.digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"{self.name} has no blob {blob.digest}") from None

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The manifests whose `subject` is this one, in the order in which they were put."""
        listed = dict.fromkeys(Digest(entry["digest"]) for entry in self._entries())
        raws = [raw for one in listed if (raw := self.manifest(one)) is not None]
        return [referrer_entry(raw) for raw in raws if (s := raw.parsed().subject) is not None and s.digest == digest]

    def tags(self) -> Iterator[str]:
        """All tags, sorted."""
        yield from sorted(tag for entry in self._entries() if (tag := _tag_of(entry)) is not None)

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        """Put a manifest under its digest, and under a tag. Raises PolicyRefused where a part of it is not there."""
        require_parts(self, manifest)
        make_folder(self._path(manifest.digest).parent)
        atomic_write(self._path(manifest.digest), manifest.body)
        if tag is None and manifest.parsed().subject is None:
            return
        entry: dict[str, Any] = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": len(manifest.body),
            **({"annotations": {_NAME: tag}} if tag is not None else {}),
        }

        def listed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
            if tag is None:
                return entries if any(one["digest"] == manifest.digest for one in entries) else [*entries, entry]
            return [*(one for one in entries if _tag_of(one) != tag), entry]

        self._rewrite(listed)

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        """Put a blob, hashed on the way. Raises Transient for bytes of another digest: nothing is kept of them."""
        path = self._path(blob.digest)
        make_folder(path.parent)
        digest = hashlib.sha256()
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # another process may put the same blob
        try:
            with partial.open("xb") as file:
                while piece := content.read(_PIECE):
                    digest.update(piece)
                    file.write(piece)
            if f"sha256:{digest.hexdigest()}" != blob.digest:
                raise Transient(f"{origin.name} answered with other bytes than {blob.digest}")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def delete(self, digest: Digest) -> None:
        """Delete a manifest, and with it every tag that names it. Raises NotFound where it is not there."""
        if not self.has_blob(digest):
            raise NotFound(f"{self.name} has no manifest {digest}")
        self._rewrite(lambda entries: [one for one in entries if one["digest"] != digest])
        self._path(digest).unlink()

    def _read(self, digest: Digest) -> Raw | None:
        """The manifest under a digest; None where there is no such blob, or one that is no manifest."""
        path = self._path(digest)
        if not path.is_file() or path.stat().st_size > READ_LIMIT:
            return None
        body = path.read_bytes()
        if not matches(body, digest):
            raise ConfigurationError(f"{path} holds other bytes than its name says")
        try:
            return Raw(parse(body).media_type, digest, body)
        except Transient:  # a config or a layer
            return None

    def _path(self, digest: Digest) -> Path:
        algorithm, _, text = digest.partition(":")
        return self.folder / "blobs" / algorithm / text

    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._index()["manifests"]
        return entries

    def _index(self) -> dict[str, Any]:
        """What `index.json` holds; fields that others wrote stay in it."""
        file = self.folder / "index.json"
        if not file.exists():
            return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        content: dict[str, Any] = json.loads(file.read_bytes())
        return content

    def _rewrite(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        make_folder(self.folder)
        with locked(self.folder / ".lock"):
            atomic_write(self.folder / "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            content = {**self._index(), "manifests": change(self._entries())}
            atomic_write(self.folder / "index.json", json.dumps(content, separators=(",", ":")).encode())


def _tag_of(entry: dict[str, Any]) -> str | None:
    tag: str | None = (entry.get("annotations") or {}).get(_NAME)
    return tag
