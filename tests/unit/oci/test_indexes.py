"""Indexes made from others: a platform's part of one, and one of several parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import Transient
from imageyard.names import Digest
from imageyard.oci.indexes import joined, part
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, digest_of
from imageyard.oci.raw import Raw
from imageyard.oci.verify import faults


def digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def image(number: int, platform: str) -> dict[str, Any]:
    os, architecture = platform.split("/")
    entry = {"mediaType": OCI_MANIFEST, "digest": digest(number), "size": number}
    return {**entry, "platform": {"os": os, "architecture": architecture}}


def attestation(number: int, of: int) -> dict[str, Any]:
    said = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(of)}
    return {**image(number, "unknown/unknown"), "annotations": said}


def index(entries: Sequence[dict[str, Any]]) -> Raw:
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, indent=2).encode()
    return Raw(OCI_INDEX, digest_of(body), body)


def entries(raw: Raw) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(raw.body)["manifests"]
    return found


AMD64, ARM64 = image(1, "linux/amd64"), image(2, "linux/arm64")


def test_an_image_without_attestation_is_its_manifest() -> None:
    assert part(index([AMD64, ARM64]), "linux/arm64") == digest(2)


@given(st.permutations([AMD64, ARM64, attestation(3, 1), attestation(4, 1), attestation(5, 2)]))
def test_an_image_with_attestations_is_an_index_of_them(order: list[dict[str, Any]]) -> None:
    found = part(index(order), "linux/amd64")
    assert isinstance(found, Raw)
    assert found.digest == digest_of(found.body)
    assert entries(found) == [entry for entry in order if entry in (AMD64, attestation(3, 1), attestation(4, 1))]
    assert faults(found.parsed(), ["linux/amd64"], {}, present=[digest(1), digest(3), digest(4)]) == []


@pytest.mark.parametrize("held", [[ARM64], [], [AMD64, {**AMD64, "digest": digest(9)}], [attestation(1, 2)]])
def test_a_platform_that_is_not_there_once(held: list[dict[str, Any]]) -> None:
    with pytest.raises(Transient, match=r"has \d images for linux/amd64"):
        part(index(held), "linux/amd64")


def test_images_and_indexes_in_one() -> None:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(7), "size": 1}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    plain = Raw(OCI_MANIFEST, digest_of(body), body)
    made = joined({"linux/amd64": plain, "linux/arm64": index([ARM64, attestation(5, 2)])})
    assert made.digest == digest_of(made.body)
    own = {**image(1, "linux/amd64"), "digest": plain.digest, "size": len(body)}
    assert entries(made) == [own, ARM64, attestation(5, 2)]
    assert part(made, "linux/amd64") == plain.digest


@given(st.permutations([AMD64, attestation(3, 1)]), st.permutations([ARM64, attestation(5, 2)]))
def test_what_was_put_together_comes_apart_again(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    whole = joined({"linux/amd64": index(one), "linux/arm64": index(other)})
    for platform, held in (("linux/amd64", one), ("linux/arm64", other)):
        found = part(whole, platform)
        assert isinstance(found, Raw)
        assert entries(found) == held
