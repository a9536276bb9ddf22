"""Published as meant: each expected platform once, children present, nothing foreign, attestations inside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Index, Manifest, digest_of, parse
from imageyard.oci.verify import attested, faults, leaves, runnable

Documents = dict[Digest, "Index | Manifest | None"]


def image(note: str, *, subject: Digest | None = None, artifact: bool = False) -> Manifest:
    kind = OCI_EMPTY if artifact else "application/vnd.oci.image.config.v1+json"
    content: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": kind, "digest": digest_of(note.encode()), "size": 1},
        "layers": [],
        "annotations": {"note": note},
    }
    if subject:
        content["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    read = parse(json.dumps(content).encode())
    assert isinstance(read, Manifest)
    return read


def entry(document: Index | Manifest, arch: str | None = None, attests: str | None = None, **more: object) -> Any:
    said: dict[str, Any] = {"mediaType": document.media_type, "digest": document.digest, "size": document.size}
    if attests is not None:
        said["platform"] = {"os": "unknown", "architecture": "unknown"}
        said["annotations"] = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": attests,
        }
    elif arch:
        said["platform"] = {"os": "linux", "architecture": arch}
    return said | more


def index(*entries: object) -> Index:
    read = parse(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode())
    assert isinstance(read, Index)
    return read


def known(*documents: Index | Manifest) -> Documents:
    return {document.digest: document for document in documents}


AMD, ARM, OTHER = image("amd"), image("arm"), image("other")
BOTH = ("linux/amd64", "linux/arm64")
PROOF = image("proof")


def test_whole() -> None:
    root = index(entry(AMD, "amd64"), entry(PROOF, attests=AMD.digest), entry(ARM, "arm64"))
    assert faults(root, BOTH, known(AMD, ARM, PROOF)) == []
    assert faults(root, BOTH, {}, present=[AMD.digest, ARM.digest, PROOF.digest]) == []
    assert not attested(root, {})
    assert [leaf.entry.digest for leaf in runnable(root, {})] == [AMD.digest, ARM.digest]


@pytest.mark.parametrize(
    ("root", "documents", "said"),
    [
        (index(), {}, ["platform linux/amd64 is missing", "platform linux/arm64 is missing"]),
        (index(entry(AMD, "amd64")), known(AMD), ["platform linux/arm64 is missing"]),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(OTHER, "s390x")),
            known(AMD, ARM, OTHER),
            ["platform linux/s390x is foreign"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(OTHER, "arm64")),
            known(AMD, ARM, OTHER),
            ["platform linux/arm64 is there 2 times"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64")),
            {AMD.digest: AMD, ARM.digest: None},
            [f"child {ARM.digest} (linux/arm64) is missing"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(PROOF, attests=AMD.digest)),
            known(AMD, ARM),
            [f"child {PROOF.digest} (attestation) is missing"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(PROOF, attests=OTHER.digest)),
            known(AMD, ARM, PROOF),
            [f"attestation {PROOF.digest} points at {OTHER.digest}, which is not an image of this index"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(PROOF, attests="")),
            known(AMD, ARM, PROOF),
            [f"attestation {PROOF.digest} points at nothing, which is not an image of this index"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(OTHER)),
            known(AMD, ARM, OTHER),
            [f"{OTHER.digest} names no platform"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64", size=3)),
            known(AMD, ARM),
            [f"child {ARM.digest} has {ARM.size} bytes, and the index says 3"],
        ),
        (
            index(entry(AMD, "amd64"), entry(ARM, "arm64"), entry(image("sbom", artifact=True))),
            known(AMD, ARM, image("sbom", artifact=True)),
            [f"{image('sbom', artifact=True).digest} is an artifact that belongs to no image of this index"],
        ),
    ],
    ids=["empty", "missing", "foreign", "twice", "child gone", "proof gone", "proof of another", "proof of nothing",
         "no platform", "size", "artifact"],
)  # fmt: skip
def test_faults(root: Index, documents: Documents, said: list[str]) -> None:
    assert faults(root, BOTH, documents) == said


def test_an_attestation_by_subject() -> None:
    proof = image("sbom", subject=AMD.digest, artifact=True)
    root = index(entry(AMD, "amd64"), entry(proof))
    assert faults(root, ["linux/amd64"], known(AMD, proof)) == []
    assert attested(root, known(AMD, proof))
    stray = image("sbom", subject=OTHER.digest, artifact=True)
    assert (
        "not an image of this index"
        in faults(index(entry(AMD, "amd64"), entry(stray)), ["linux/amd64"], known(AMD, stray))[0]
    )


def test_a_config_that_contradicts_the_index() -> None:
    root = index(entry(AMD, "amd64"), entry(ARM, "arm64"))
    told = faults(root, BOTH, known(AMD, ARM), platforms={ARM.digest: "linux/amd64"})
    assert told == [
        f"{ARM.digest} is called linux/arm64 in the index and is linux/amd64 by its config",
        "platform linux/arm64 is missing",
        "platform linux/amd64 is there 2 times",
    ]


def test_nested() -> None:
    inner = index(entry(ARM, "arm64"))
    root = index(entry(AMD, "amd64"), entry(inner))
    assert faults(root, BOTH, known(AMD, ARM, inner)) == []
    assert faults(root, BOTH, {AMD.digest: AMD, inner.digest: inner, ARM.digest: None}) == [
        f"child {ARM.digest} (linux/arm64) is missing"
    ]
    documents = known(AMD, ARM)
    nest: Index = index(entry(ARM, "arm64"))
    for _ in range(7):
        documents[nest.digest] = nest
        nest = index(entry(nest))
    assert "indexes are nested more than 4 deep" in faults(nest, ["linux/arm64"], documents)


def test_a_single_manifest() -> None:
    assert faults(AMD, ["linux/amd64"], {}, platforms={AMD.digest: "linux/amd64"}) == []
    assert faults(AMD, ["linux/arm64"], {}, platforms={AMD.digest: "linux/amd64"}) == [
        "platform linux/arm64 is missing",
        "platform linux/amd64 is foreign",
    ]
    assert faults(image("x", artifact=True), [], {})[0].endswith("is an artifact, not an image")


ARCHES = ("amd64", "arm64", "s390x", "riscv64")


@given(st.lists(st.sampled_from(ARCHES), max_size=5), st.sets(st.sampled_from(ARCHES)), st.sets(st.integers(0, 4)))
def test_no_fault_exactly_where_it_is_whole(published: list[str], expected: set[str], gone: set[int]) -> None:
    images = [image(f"{number}") for number in range(len(published))]
    root = index(*(entry(one, arch) for one, arch in zip(images, published, strict=True)))
    documents: Documents = {one.digest: None if at in gone else one for at, one in enumerate(images)}
    whole = sorted(published) == sorted(expected) and not any(at in gone for at in range(len(images)))
    assert (faults(root, [f"linux/{arch}" for arch in expected], documents) == []) == whole
    assert len(list(leaves(root, documents))) == len(published)
