"""The configs of images at a registry: of an index by platform, of a lone manifest for whatever is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from imageyard.catalogue.base_config import BaseConfig
from imageyard.errors import Denied, NotFound, Transient
from imageyard.keep.base_configs import base_configs
from imageyard.names import Digest, Reference
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import platform, put_image, put_index

ASKED = ("linux/amd64", "linux/arm64")
ENV = BaseConfig(("A=1",))


@pytest.fixture
def memory() -> MemoryRegistry:
    return MemoryRegistry()


def put(memory: MemoryRegistry, **config: Any) -> Reference:
    place = memory.reference("base")
    return place.with_digest(put_image(memory.client(), place, **config))


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"config": {"Env": ["A=1"], "Cmd": ["sh"]}}, ENV),
        ({"config": {"Env": ["A=1"], "OnBuild": ["COPY . /"]}}, BaseConfig(("A=1",), ("COPY . /",))),
        ({"config": {"Env": None, "OnBuild": None}}, BaseConfig()),
        ({"config": None}, BaseConfig()),
        ({}, BaseConfig()),
    ],
)
def test_a_lone_manifest_counts_for_all_platforms(
    memory: MemoryRegistry, content: Mapping[str, Any], found: BaseConfig, docker: bool
) -> None:
    image = put(memory, architecture="riscv64", docker=docker, **content)
    assert base_configs(memory.client(), image, ASKED) == dict.fromkeys(("linux/riscv64", *ASKED), found)


def test_an_index_has_one_for_each_platform_and_is_read_no_further_than_asked(memory: MemoryRegistry) -> None:
    client, place = memory.client(), memory.reference("base")
    arm = put(memory, architecture="arm64", variant="v8", config={"Env": ["A=2"]}).digest
    amd = put(memory, config={"Env": ["A=1"]}).digest
    other = put(memory, architecture="s390x").digest
    attests = {**platform("amd64"), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    v8 = {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    found = put_index(
        client,
        place.with_tag("1"),
        {other: attests, amd: platform("amd64"), arm: v8},  # type: ignore[dict-item]
    )
    memory.requests.clear()
    image = place.with_digest(Digest(found))
    assert base_configs(client, image, ASKED) == {"linux/amd64": ENV, "linux/arm64": BaseConfig(("A=2",))}
    assert base_configs(client, image, ("linux/riscv64",)) == {}
    assert not [request for request in memory.requests if other and other in request]


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("linux/arm/v7", "v6"),
        ("linux/arm/v6", "v6"),
        ("linux/arm/v5", "v5"),
        ("linux/arm64", None),
        ("linux/386", None),
    ],
)
def test_an_older_arm_is_pulled_where_there_is_no_newer_one(
    memory: MemoryRegistry, asked: str, taken: str | None
) -> None:
    variants = {v: put(memory, architecture="arm", variant=v, config={"Env": [v]}).digest for v in ("v5", "v6")}
    entries = {
        digest: {"platform": {"os": "linux", "architecture": "arm", "variant": v}} for v, digest in variants.items()
    }
    place = memory.reference("base")
    image = place.with_digest(put_index(memory.client(), place.with_tag("1"), entries))  # type: ignore[arg-type]
    expected = {asked: BaseConfig((taken,))} if taken else {}
    assert base_configs(memory.client(), image, (asked,)) == expected


@pytest.mark.parametrize("content", [{"config": "x"}, {"config": {"Env": "A=1"}}, {"config": {"OnBuild": [1]}}])
def test_a_config_that_says_something_else_is_not_believed(memory: MemoryRegistry, content: Mapping[str, Any]) -> None:
    with pytest.raises(Transient, match="not an image config that can be believed"):
        base_configs(memory.client(), put(memory, **content), ASKED)


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(404, "BLOB_UNKNOWN", NotFound), (403, "DENIED", Denied), (503, "", Transient)]
)
def test_a_config_that_does_not_come(memory: MemoryRegistry, status: int, code: str, kind: type[Exception]) -> None:
    image = put(memory)
    memory.faults = [Fault("/blobs/", status, times=99, code=code)]
    with pytest.raises(kind):
        base_configs(memory.client(), image, ASKED)
