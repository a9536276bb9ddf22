"""An image as a tar, as engines hand it over, and tars that are none."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import EnvironmentLacks
from imageyard.names import Digest
from imageyard.oci.archive import Archive
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from imageyard.oci.raw import Raw


def tar_of(file: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file


def entry_of(content: bytes) -> dict[str, object]:
    return {"mediaType": "application/octet-stream", "digest": digest_of(content), "size": len(content)}


def layout(*bodies: bytes) -> dict[str, bytes]:
    entries = [{"mediaType": OCI_MANIFEST, "digest": digest_of(body), "size": len(body)} for body in bodies]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return {"index.json": index, **{f"blobs/sha256/{digest_of(body)[7:]}": body for body in bodies}}


def test_a_layout_is_read(tmp_path: Path) -> None:
    body = json.dumps({"schemaVersion": 2, "config": entry_of(b"{}"), "layers": []}).encode()
    archive = Archive(tar_of(tmp_path / "a.tar", layout(body)))
    assert archive.root.digest == digest_of(body)
    assert archive.manifest(archive.root.digest) == Raw(OCI_MANIFEST, digest_of(body), body)
    assert archive.manifest(digest_of(b"never")) is None
    with archive.blob(archive.root) as source:
        assert source.read() == body


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"manifest.json": b"[]"}, "as an OCI layout"),
        (layout(), "one image"),
        (layout(b"one", b"two"), "one image"),
    ],
    ids=["Docker before 25", "no image", "two images"],
)
def test_what_is_no_image(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(EnvironmentLacks, match=said):
        Archive(tar_of(tmp_path / "a.tar", files))


def test_a_manifest_of_other_bytes_is_not_believed_and_a_missing_blob_is_named(tmp_path: Path) -> None:
    files = layout(b"the manifest")
    files[f"blobs/sha256/{digest_of(b'the manifest')[7:]}"] = b"other"
    archive = Archive(tar_of(tmp_path / "a.tar", files))
    with pytest.raises(EnvironmentLacks, match="something else"):
        archive.manifest(archive.root.digest)
    with pytest.raises(EnvironmentLacks, match=f"sha256:{'0' * 64} is missing"):
        archive.blob(Descriptor("x", Digest(f"sha256:{'0' * 64}"), 1))


@given(content=st.binary(max_size=64), reads=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=8))
def test_a_blob_reads_as_a_file_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, reads: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("blob")
    archive = Archive(
        tar_of(folder / "a.tar", layout(b"m") | layout(content) | {"index.json": layout(b"m")["index.json"]})
    )
    alone = io.BytesIO(content)
    with archive.blob(Descriptor("x", digest_of(content), len(content))) as source:
        for at, count in reads:
            assert source.seek(at) == alone.seek(at)
            assert source.read(count) == alone.read(count)
