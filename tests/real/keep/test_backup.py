"""The registry is backed up to S3, emptied and recovered: the same bytes, whoever is killed and whatever breaks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.publishing import record_artifact
from support.aws.bucket import StrictS3, s3_served
from support.registry.faults import Proxy, running
from support.registry.pullable import validate
from support.registry.served import Served, serve, tool
from support.registry.stalling import Stalling
from support.yard.backed_up import Scene
from support.yard.faulty import REGISTRY_REQUESTS, S3_REQUESTS, schedule
from support.yard.promoted import BOTH

WRITES = ("PUT", "POST", "PATCH")


@pytest.fixture(scope="module")
def s3() -> Iterator[StrictS3]:
    with s3_served() as served:
        yield served


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A registry of the test's own, which it may empty."""
    yield from serve(tmp_path / "registry")


def test_an_emptied_registry_comes_back_byte_for_byte(tmp_path: Path, own: Served, s3: StrictS3) -> None:
    scene = Scene(tmp_path / "checkout", own, s3)
    scene.publish()
    index = scene.place.with_tag(scene.yard.index_tag(BOTH))
    cosign = {"COSIGN_PASSWORD": "", "HOME": str(tmp_path)}
    key = tmp_path / "signing"
    tool("cosign", "generate-key-pair", f"--output-key-prefix={key}", env=cosign)
    signed = index.with_digest(scene.client.get(index).digest)
    tool("cosign", "sign", f"--key={key}.key", "--tlog-upload=false", "--yes", signed, env=cosign)
    before = scene.there()
    assert scene.inv("backup", "-j", "2") == 0, scene.said
    assert scene.inv("backup", "--verify") == 0, scene.said

    scene.empty()
    assert scene.there() == {}
    assert scene.inv("recover", "linux-*") == 0, scene.said
    assert scene.there() == {}, "a dry run brings nothing back"
    assert "5 of 5 tags would come back" in scene.said, "the signature too"
    assert scene.inv("recover", "linux-*", "--yes") == 0, scene.said
    assert scene.there() == before
    for tag in scene.tags():
        if not tag.startswith("sha256-"):
            validate(scene.place.with_tag(tag))
    assert tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{index}").encode() == before[index.tag]
    (row, *_) = json.loads(before[index.tag])["manifests"]
    listed = tool("oras", "discover", "--plain-http", "--format", "json", index.with_digest(row["digest"]))
    assert record_artifact.ARTIFACT_TYPE in listed
    tool("cosign", "verify", f"--key={key}.pub", "--insecure-ignore-tlog=true", index, env=cosign)


def test_a_generation_comes_back_as_a_layout_that_others_read(tmp_path: Path, own: Served, s3: StrictS3) -> None:
    scene = Scene(tmp_path / "checkout", own, s3)
    scene.publish()
    before = scene.there()
    assert scene.inv("backup") == 0, scene.said
    scene.empty()
    commit = tool("git", "-C", scene.yard.top, "rev-parse", "HEAD")
    layout = tmp_path / "layout"
    assert scene.inv("recover-generation", commit, "--to", f"layout:{layout}", "--yes") == 0, scene.said
    tag = scene.yard.index_tag(BOTH)
    assert tool("skopeo", "inspect", "--raw", f"oci:{layout}:{tag}").encode() == before[tag]
    assert tool("oras", "manifest", "fetch", "--oci-layout", f"{layout}:{tag}").encode() == before[tag]
    tool("crane", "validate", "--tarball", _tarball(layout, tag, tmp_path))


def _tarball(layout: Path, tag: str, folder: Path) -> Path:
    """The row for amd64 as an archive of `docker load`, made by another client."""
    archive = folder / "image.tar"
    tool("skopeo", "copy", "--override-arch=amd64", f"oci:{layout}:{tag}", f"docker-archive:{archive}:x:y")
    return archive


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_backup_that_is_killed_converges(tmp_path: Path, own: Served, s3: StrictS3, after: bool, soak: bool) -> None:
    with running(Stalling(s3.host, WRITES)) as proxy:
        assert isinstance(proxy, Stalling)
        scene = Scene(tmp_path / "checkout", own, s3, bucket=proxy.host)
        scene.publish()
        before, proxy.after = scene.there(), after
        point, killed = 1, 0
        while scene.killed(proxy, point, "backup", "-j", "1"):
            killed += 1
            point += 1 if soak else 4  # what was written is not written again: so the point moves on by itself, too
        assert killed >= 3, scene.said
        assert scene.inv("backup") == 0, scene.said
        assert scene.inv("backup", "--verify") == 0, scene.said
        scene.empty()
        assert scene.inv("recover", "linux-*", "--yes") == 0, scene.said
        assert scene.there() == before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_recovery_that_is_killed_converges(
    tmp_path: Path, own: Served, s3: StrictS3, after: bool, soak: bool
) -> None:
    with running(Stalling(own.host, WRITES)) as proxy:
        assert isinstance(proxy, Stalling)
        scene = Scene(tmp_path / "checkout", own, s3, through=proxy.host)
        scene.publish()
        before, proxy.after = scene.there(), after
        assert scene.inv("backup") == 0, scene.said
        scene.empty()
        point, killed = 1, 0
        while scene.killed(proxy, point, "recover", "linux-*", "-j", "1", "--yes"):
            killed += 1
            found = scene.there()
            assert all(before[name] == body for name, body in found.items() if not name.startswith("sha256-"))
            point += 1 if soak else 5
        assert killed >= 3, scene.said
        assert scene.inv("recover", "linux-*", "--yes") == 0, scene.said
        assert scene.there() == before


@pytest.mark.parametrize("part", range(5))
def test_with_faults_the_end_is_right_or_it_says_so(
    part: int, tmp_path: Path, own: Served, s3: StrictS3, soak: bool
) -> None:
    """Commands end like the flows in tests/contract/keep/test_backup_faults.py, which are tried far more often."""
    with running(Proxy(own.host)) as registry, running(Proxy(s3.host)) as store:
        scene = Scene(tmp_path / "checkout", own, s3, through=registry.host, bucket=store.host)
        scene.publish()
        before = scene.there()
        ends = []
        for seed in range(part, 25 if soak else 5, 5):
            chance = random.Random(seed)
            store.faults, registry.faults = schedule(chance, S3_REQUESTS), schedule(chance, REGISTRY_REQUESTS)
            ends.append(scene.inv("backup", "-j", "2"))
            store.faults, registry.faults = [], []
            assert scene.inv("backup") == 0, (seed, scene.said)
            assert scene.inv("backup", "--verify") == 0, (seed, scene.said)
            scene.empty()
            store.faults, registry.faults = schedule(chance, S3_REQUESTS), schedule(chance, REGISTRY_REQUESTS)
            ends.append(scene.inv("recover", "linux-*", "--yes", "-j", "2"))
            store.faults, registry.faults = [], []
            found = scene.there()
            assert ends[-1] != 0 or found == before, (seed, scene.said)
            assert all(before[name] == body for name, body in found.items() if not name.startswith("sha256-")), seed
            assert scene.inv("recover", "linux-*", "--yes") == 0, (seed, scene.said)
            assert scene.there() == before, seed
        assert set(ends) <= {0, 8, 9, 10}, ends
