"""Manifests and indexes: both families read alike, and everything else refused in words."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import Transient
from imageyard.names import platform_text
from imageyard.oci.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    digest_of,
    matches,
    parse,
    platform_of_config,
)

A, B = digest_of(b"a"), digest_of(b"b")
CONFIG = "application/vnd.oci.image.config.v1+json"


def descriptor(**more: object) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": A, "size": 7, **more}


def index(*entries: object, **more: object) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **more}


def manifest(**more: object) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(mediaType=CONFIG),
        "layers": [descriptor(mediaType="application/vnd.oci.image.layer.v1.tar", digest=B)],
        **more,
    }


def read(content: object, declared: str | None = None) -> Index | Manifest:
    return parse(json.dumps(content).encode(), declared)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index(media_type: str) -> None:
    content = index(
        descriptor(platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        descriptor(digest=B, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        mediaType=media_type,
    )
    got = read(content, media_type)
    assert isinstance(got, Index)
    assert got.manifests[0] == Descriptor(OCI_MANIFEST, A, 7, "linux/arm64")
    assert [entry.attests for entry in got.manifests] == [None, ""]
    assert (got.digest, got.size) == (digest_of(json.dumps(content).encode()), len(json.dumps(content)))


@pytest.mark.parametrize(
    ("media_type", "config"),
    [(OCI_MANIFEST, CONFIG), (DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json")],
)
def test_a_manifest(media_type: str, config: str) -> None:
    got = read(manifest(mediaType=media_type, config=descriptor(mediaType=config), subject=descriptor()))
    assert isinstance(got, Manifest)
    assert got.is_image
    assert got.subject == Descriptor(OCI_MANIFEST, A, 7)
    assert [layer.digest for layer in got.layers] == [B]


def test_an_artifact_is_not_an_image() -> None:
    got = read(manifest(config=descriptor(mediaType="application/vnd.oci.empty.v1+json"), artifactType="application/x"))
    assert isinstance(got, Manifest)
    assert not got.is_image
    assert got.artifact_type == "application/x"


def test_the_type_may_be_declared_outside_only() -> None:
    content = manifest()
    del content["mediaType"]
    assert read(content, f"{OCI_MANIFEST}; charset=utf-8").media_type == OCI_MANIFEST
    assert read(content).media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is not JSON"),
        (b"<html></html>", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"[]", "the document is not an object"),
        (b"null", "the document is not an object"),
        (b'{"a": 1, "a": 2}', "it has one key twice"),
        (b'{"manifests": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"manifests": ' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"schemaVersion": ' + b"9" * 10_000 + b"}", ""),
        (b"{}", "it has neither `manifests` nor `config`"),
        (json.dumps(index() | manifest()).encode(), "it is an index and a manifest at once"),
        (json.dumps(index(layers=[])).encode(), "it is an index and a manifest at once"),
        (json.dumps(index(schemaVersion=1)).encode(), "`schemaVersion` is 1, not 2"),
        (json.dumps(index(schemaVersion="2")).encode(), "`schemaVersion` is '2', not 2"),
        (json.dumps(manifest(fsLayers=[])).encode(), "old schema 1"),
        (json.dumps(index(mediaType=OCI_MANIFEST)).encode(), "which has no such fields"),
        (json.dumps(manifest(mediaType="text/html")).encode(), "which has no such fields"),
        (json.dumps(index(mediaType=3)).encode(), "`mediaType` is not text"),
        (json.dumps(index(manifests=None)).encode(), "`manifests` is not a list"),
        (json.dumps(index(manifests={})).encode(), "`manifests` is not a list"),
        (json.dumps(index(*[descriptor()] * 1001)).encode(), "`manifests` has more than 1000 entries"),
        (json.dumps(index("x")).encode(), "`manifests[0]` is not an object"),
        (json.dumps(index(descriptor(mediaType=None))).encode(), "`manifests[0].mediaType` is missing"),
        (json.dumps(index(descriptor(digest="sha256:abc"))).encode(), "`manifests[0].digest` is not a digest"),
        (json.dumps(index(descriptor(digest="../../x"))).encode(), "`manifests[0].digest` is not a digest"),
        (json.dumps(index(descriptor(digest=f"{A}\n"))).encode(), "`manifests[0].digest` is not a digest"),
        (json.dumps(index(descriptor(digest=[A]))).encode(), "`manifests[0].digest` is not a digest"),
        (json.dumps(index(descriptor(), descriptor(size="7"))).encode(), "`manifests[1].size` is not a number"),
        (json.dumps(index(descriptor(size=True))).encode(), "`manifests[0].size` is not a number"),
        (json.dumps(index(descriptor(size=-1))).encode(), "`manifests[0].size` is not a number"),
        (json.dumps(index(descriptor(size=1.5))).encode(), "`manifests[0].size` is not a number"),
        (json.dumps(index(descriptor(size=2**63))).encode(), "`manifests[0].size` is not a number"),
        (json.dumps(index(descriptor(platform="linux/amd64"))).encode(), "`manifests[0].platform` is not an object"),
        (json.dumps(index(descriptor(platform={"os": "linux"}))).encode(), "names no system or no architecture"),
        (json.dumps(index(descriptor(annotations={"a": 1}))).encode(), "the annotation 'a' is not text"),
        (json.dumps(index(annotations=[])).encode(), "`annotations` is not an object"),
        (json.dumps(manifest(config=None)).encode(), "`config` is not an object"),
        (json.dumps(manifest(layers=7)).encode(), "`layers` is not a list"),
        (json.dumps(manifest(subject="x")).encode(), "`subject` is not an object"),
        (json.dumps(manifest(artifactType=[])).encode(), "`artifactType` is not text"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(Transient, match="not a manifest that can be believed") as raised:
        parse(body)
    assert words in raised.value.headline
    assert len(raised.value.headline) < 400


def test_a_type_other_than_the_declared_one_is_refused() -> None:
    with pytest.raises(Transient, match="it came as"):
        read(index(), OCI_MANIFEST)
    with pytest.raises(Transient, match="it came as"):
        read(index(), "text/html")


@pytest.mark.parametrize(
    ("os", "architecture", "variant", "text"),
    [
        ("linux", "amd64", "", "linux/amd64"),
        ("linux", "x86_64", "", "linux/amd64"),
        ("linux", "amd64", "v1", "linux/amd64"),
        ("linux", "amd64", "v3", "linux/amd64/v3"),
        ("linux", "aarch64", "", "linux/arm64"),
        ("linux", "arm64", "v8", "linux/arm64"),
        ("linux", "arm64", "v9", "linux/arm64/v9"),
        ("linux", "arm", "", "linux/arm/v7"),
        ("linux", "arm", "7", "linux/arm/v7"),
        ("linux", "armhf", "", "linux/arm/v7"),
        ("linux", "arm", "v6", "linux/arm/v6"),
        ("linux", "arm", "6", "linux/arm/v6"),
        ("linux", "386", "", "linux/386"),
        ("linux", "i386", "", "linux/386"),
        ("Linux", "S390X", "", "linux/s390x"),
        ("unknown", "unknown", "", "unknown/unknown"),
    ],
)
def test_platforms_have_one_spelling(os: str, architecture: str, variant: str, text: str) -> None:
    assert platform_text(os, architecture, variant) == text
    config = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
    assert platform_of_config(json.dumps(config).encode()) == text


@pytest.mark.parametrize(
    ("digest", "same"),
    [
        (digest_of(b"x"), True),
        (f"sha512:{hashlib.sha512(b'x').hexdigest()}", True),
        (digest_of(b"y"), False),
        (digest_of(b"x").upper(), False),
        (f"md5:{hashlib.md5(b'x').hexdigest()}", False),
        ("sha256:", False),
        ("", False),
    ],
)
def test_digests(digest: str, same: bool) -> None:
    assert matches(b"x", digest) == same


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"os": "linux"}', b'{"os": 1, "architecture": "amd64"}'])
def test_a_config_without_a_platform_is_refused(body: bytes) -> None:
    with pytest.raises(Transient, match="not an image config"):
        platform_of_config(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([A, B, OCI_INDEX]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mutations(base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`base` with any one of its values, at any depth, replaced by anything."""

    def paths(value: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        children: list[tuple[object, object]] = []
        if isinstance(value, dict):
            children = list(value.items())
        elif isinstance(value, list):
            children = list(enumerate(value))
        return [at, *(path for key, child in children for path in paths(child, (*at, key)))]

    def replaced(value: Any, path: tuple[Any, ...], new: object) -> Any:
        if not path:
            return new
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[path[0]] = replaced(value[path[0]], path[1:], new)
        return copy

    return st.builds(replaced, st.just(base), st.sampled_from(paths(base)), anything)


WHOLE = index(
    descriptor(platform={"os": "linux", "architecture": "amd64", "variant": "v2"}, annotations={"a": "b"}),
    descriptor(digest=B, artifactType="x"),
    subject=descriptor(),
    annotations={"c": "d"},
)


@given(mutations(WHOLE) | mutations(manifest(subject=descriptor(), annotations={"a": "b"})))
def test_hostile_documents_are_read_or_refused_in_words(content: object) -> None:
    body = json.dumps(content).encode()
    try:
        got = parse(body)
    except Transient as refused:
        assert refused.headline.startswith("not a manifest that can be believed: ")  # noqa: PT017
        return
    assert got.digest == digest_of(body)
    for entry in got.manifests if isinstance(got, Index) else (got.config, *got.layers):
        assert entry.digest.startswith("sha256:")
        assert entry.size >= 0


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(Transient):
        parse(body)
