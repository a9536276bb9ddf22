"""The registry is backed up to S3, emptied and recovered: the same bytes, whoever is killed and whatever breaks."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.errors import NotFound
from imageyard.names import Reference
from imageyard.publishing import record_artifact
from imageyard.records import Record
from imageyard.registry.client import Client
from support.aws.bucket import KEYS, REGION, StrictS3, s3_served
from support.registry.faults import Fault, Proxy, running
from support.registry.pullable import tagged, validate
from support.registry.served import Served, platform, put_index, serve, tool
from support.registry.stalling import Stalling
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard
from support.yard.scratch import ARCH

WRITES = ("PUT", "POST", "PATCH")
Contents = dict[str, bytes]


@pytest.fixture(scope="module")
def s3() -> Iterator[StrictS3]:
    with s3_served() as served:
        yield served


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A registry of the test's own, which it may empty."""
    yield from serve(tmp_path / "registry")


class Scene:
    """A checkout with two images at a registry, behind proxies in front of it and of the bucket."""

    def __init__(self, folder: Path, registry: Served, s3: StrictS3, *, through: str = "", bucket: str = "") -> None:
        self.registry = registry
        self.yard: PromotedYard = make_promoted_yard(registry, folder)
        self.bucket = f"b-{self.yard.key}"
        s3.create(self.bucket)
        endpoint = f"http://{bucket or s3.host}"
        section = f"backup: {{bucket: {self.bucket}, prefix: ci, region: {REGION}, endpoint: '{endpoint}'}}\nmirrors:"
        self.yard.edit("images.yml", "mirrors:", section)
        if through:
            self.yard.edit("images.yml", registry.host, through)
        self.yard.commit()
        self.env = {"AWS_ACCESS_KEY_ID": KEYS.id, "AWS_SECRET_ACCESS_KEY": KEYS.secret, "AWS_MAX_ATTEMPTS": "1"}

    @property
    def client(self) -> Client:
        return self.registry.client()

    @property
    def place(self) -> Reference:
        return self.registry.reference(self.yard.name)

    def publish(self) -> None:
        """One image for one architecture, one for two with their records, each by its tags of now."""
        client, rows = self.client, {}
        for name, arch in ((ONE, ARCH), (BOTH, "amd64"), (BOTH, "arm64")):
            tag = self.yard.row_tag(name, arch)
            digest = tagged(client, self.place.with_tag(tag), f"{self.yard.key} {tag}", arch)
            raw = client.get(self.place.with_digest(digest))
            record = Record(name, arch, "published", 0, "", started="2026-01-01T00:00:00.000+00:00")
            record_artifact.attach(client, self.place, raw, record)
            if name == BOTH:
                rows[digest] = platform(arch)
        put_index(client, self.place.with_tag(self.yard.index_tag(BOTH)), rows)

    def there(self) -> Contents:
        """The bytes of each tag's manifest, and of those that it lists."""
        found: Contents = {}
        for tag in self.tags():
            raw = self.client.get(self.place.with_tag(tag))
            found[tag] = raw.body
            for entry in json.loads(raw.body).get("manifests", ()):
                found[entry["digest"]] = self.client.get(self.place.with_digest(entry["digest"])).body
        return found

    def tags(self) -> list[str]:
        """All tags; none of a repository that is not there."""
        try:
            return list(self.client.tags(self.place))
        except NotFound:
            return []

    def empty(self) -> None:
        """Lose everything that the registry has: its folder."""
        tool("find", self.registry.storage, "-mindepth", "1", "-delete")

    def inv(self, *argv: str) -> int:
        done = self.yard.inv(*argv, env=self.env)
        self.said = done.all
        return done.code

    def killed(self, proxy: Stalling, point: int, *argv: str) -> bool:
        """Kill a command when its request at `point` has arrived; False where it has fewer."""
        proxy.at, proxy.count = point, 0
        proxy.reached.clear()
        with self.yard.start(["inv", *argv], env=self.env) as child:
            waiting = threading.Thread(target=lambda: (child.communicate(), proxy.reached.set()))
            waiting.start()
            proxy.reached.wait(120)
            reached = child.poll() is None
            if reached:
                os.killpg(child.pid, signal.SIGKILL)
            waiting.join()
        proxy.at = 0
        return reached


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


FAULTS = (("status", 500), ("status", 503), ("status", 429), ("reset", 0), ("truncate", 0), ("corrupt", 0), ("lost", 0))
S3_REQUESTS = (
    "PUT .*blobs",
    "PUT .*manifests",
    "PUT .*tags",
    "GET .*list-type",
    "GET .*blobs",
    "GET .*manifests",
    "HEAD",
)
REQUESTS = ("GET .*manifests", "HEAD .*blobs", "GET .*blobs", "PUT .*manifests", "POST", "GET .*tags")


def schedule(chance: random.Random, where: tuple[str, ...]) -> list[Fault]:
    """What breaks, and how often: what comes once passes, what comes nine times outlasts every patience."""
    found = []
    for _ in range(chance.randint(1, 3)):
        kind, status = chance.choice(FAULTS)
        times = chance.choice((1, 1, 2, 9))
        found.append(Fault(chance.choice(where), kind, status, times=times))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("part", range(5))
def test_with_faults_the_end_is_right_or_it_says_so(
    part: int, tmp_path: Path, own: Served, s3: StrictS3, soak: bool
) -> None:
    """Five seeded schedules in the tests, 500 in the soak: no corrupt byte is ever accepted as an image."""
    with running(Proxy(own.host)) as registry, running(Proxy(s3.host)) as store:
        scene = Scene(tmp_path / "checkout", own, s3, through=registry.host, bucket=store.host)
        scene.publish()
        before = scene.there()
        ends = []
        for seed in range(part, 500 if soak else 5, 5):
            chance = random.Random(seed)
            store.faults, registry.faults = schedule(chance, S3_REQUESTS), schedule(chance, REQUESTS)
            ends.append(scene.inv("backup", "-j", "2"))
            store.faults, registry.faults = [], []
            assert scene.inv("backup") == 0, (seed, scene.said)
            assert scene.inv("backup", "--verify") == 0, (seed, scene.said)
            scene.empty()
            store.faults, registry.faults = schedule(chance, S3_REQUESTS), schedule(chance, REQUESTS)
            ends.append(scene.inv("recover", "linux-*", "--yes", "-j", "2"))
            store.faults, registry.faults = [], []
            found = scene.there()
            assert ends[-1] != 0 or found == before, (seed, scene.said)
            assert all(before[name] == body for name, body in found.items() if not name.startswith("sha256-")), seed
            assert scene.inv("recover", "linux-*", "--yes") == 0, (seed, scene.said)
            assert scene.there() == before, seed
        assert set(ends) <= {0, 8, 9, 10}, ends
