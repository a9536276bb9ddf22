"""The archive that an engine loads: what each image store reads in it, and no byte that is not the image's."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import IO

import pytest
from imageyard.errors import Transient
from imageyard.names import Digest
from imageyard.oci.loadable import manifest_for, write_loadable
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from imageyard.oci.memory import MemoryStore
from imageyard.oci.raw import Raw

NAME = "r.test/ci:whole"


class Place(MemoryStore):
    """A place whose blobs may be other ones than their digests say."""

    def __init__(self) -> None:
        super().__init__("the source")
        self.wrong: dict[Digest, bytes] = {}

    def blob(self, blob: Descriptor) -> IO[bytes]:
        return io.BytesIO(self.wrong[blob.digest]) if blob.digest in self.wrong else super().blob(blob)

    def blob_of(self, kind: str, body: bytes) -> dict[str, object]:
        descriptor = Descriptor(f"application/vnd.oci.image.{kind}", digest_of(body), len(body))
        self.put_blob(descriptor, io.BytesIO(body), self)
        return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}

    def row(self, arch: str) -> Raw:
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob_of("config.v1+json", json.dumps({"os": "linux", "architecture": arch}).encode()),
            "layers": [self.blob_of("layer.v1.tar", b"shared"), self.blob_of("layer.v1.tar", f"of {arch}".encode())],
        }
        return self._put(OCI_MANIFEST, body)

    def over(self, *rows: tuple[str, Raw]) -> Raw:
        entries = [
            {
                "mediaType": raw.media_type,
                "digest": raw.digest,
                "size": len(raw.body),
                "platform": {"os": "linux", "architecture": arch},
            }
            for arch, raw in rows
        ]
        return self._put(OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})

    def _put(self, kind: str, document: dict[str, object]) -> Raw:
        body = json.dumps(document).encode()
        raw = Raw(kind, digest_of(body), body)
        self.put_manifest(raw)
        return raw


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        names = tar.getnames()
        assert len(set(names)) == len(names), "what two images share is there once"
        return {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]


def test_both_image_stores_find_their_image(tmp_path: Path) -> None:
    place = Place()
    rows = {arch: place.row(arch) for arch in ("amd64", "arm64")}
    whole = place.over(*rows.items())
    write_loadable(tmp_path / "x.tar", place, whole, NAME, rows["arm64"])
    found = members(tmp_path / "x.tar")
    (entry,) = json.loads(found["index.json"])["manifests"]
    assert (entry["digest"], entry["annotations"]) == (whole.digest, {"io.containerd.image.name": NAME})
    (classic,) = json.loads(found["manifest.json"])
    assert json.loads(found[classic["Config"]])["architecture"] == "arm64"
    assert [found[layer] for layer in classic["Layers"]] == [b"shared", b"of arm64"]
    blobs = {name: body for name, body in found.items() if name.startswith("blobs/")}
    assert all(f"blobs/{digest_of(body).replace(':', '/')}" == name for name, body in blobs.items())
    assert len(blobs) == len(["whole", *rows]) + len([*rows]) + len(["shared", *rows])


def test_an_archive_for_the_containerd_store_has_no_list_for_the_classic_one(tmp_path: Path) -> None:
    place = Place()
    write_loadable(tmp_path / "x.tar", place, place.row("amd64"), NAME, None)
    assert "manifest.json" not in members(tmp_path / "x.tar")


@pytest.mark.parametrize("other", [b"share", b"shared!", b"sharef", b""])
def test_other_bytes_than_the_digest_s_are_refused(tmp_path: Path, other: bytes) -> None:
    place = Place()
    raw = place.row("amd64")
    place.wrong[digest_of(b"shared")] = other
    with pytest.raises(Transient, match="the source answered with other bytes than"):
        write_loadable(tmp_path / "x.tar", place, raw, NAME, None)


@pytest.mark.parametrize(
    ("platform", "found"), [("linux/amd64", "amd64"), ("linux/arm64", "arm64"), ("linux/s390x", None)]
)
def test_the_manifest_for_a_platform(platform: str, found: str | None) -> None:
    place = Place()
    rows = {arch: place.row(arch) for arch in ("amd64", "arm64")}
    assert manifest_for(place, place.over(*rows.items()), platform) == (rows[found] if found else None)
    assert manifest_for(place, rows["amd64"], platform) == rows["amd64"], "an image of its own is what it is"
