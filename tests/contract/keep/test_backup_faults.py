"""Seeded schedules of faults before a real registry and before S3: the end is right, or it says that it is not.

The flows run in this process, with the real clients on real sockets. What takes long is injected and is no other code:
clocks whose sleeps take no time, and pieces of blobs of a kilobyte, so that layers of three go in parts and in ranges.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from imageyard.bucket import store as bucket_store
from imageyard.bucket import upload as bucket_upload
from imageyard.bucket.entries import loads
from imageyard.bucket.objects import Bucket
from imageyard.errors import ImageyardError, NotFound, exit_code
from imageyard.http.backoff import Policy
from imageyard.keep.backup import backup
from imageyard.keep.backup_verify import verify
from imageyard.keep.recover import Recovery, entries_of_pattern, recover
from imageyard.oci.manifests import digest_of
from imageyard.registry.client import Client
from support.aws.bucket import bucket_of
from support.aws.memory_s3 import MemoryS3, memory_s3_served
from support.building.checkout import CATALOGUE, scene_of
from support.git import sh
from support.registry.faults import Proxy, running
from support.registry.served import Served, moving_clock, serve, tool
from support.services import services
from support.yard.faulty import REGISTRY_REQUESTS, S3_REQUESTS, schedule
from support.yard.kept import BASE, REPOSITORY, publish_whole

AUTHOR = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
PIECE = 1024
LAYER = "of a layer " * 300
Code = Callable[[], int]


class Scene:
    """A checkout, a registry of its own and S3, each behind a proxy; flows end with the exit code of their command."""

    def __init__(self, top: Path, registry: Served, front: Proxy, s3: MemoryS3, store: Proxy) -> None:
        self.registry, self.front, self.s3, self.store = registry, front, s3, store
        self.work = scene_of(top, **{"images.yml": CATALOGUE.replace("registry.test", front.host)})
        sh(top, "add", "--all")
        sh(top, *AUTHOR, "commit", "-qm", "first")
        self.direct = registry.client()
        self.place = registry.reference(REPOSITORY)
        publish_whole(self.work, self.direct, self.place, LAYER)
        self.before = self.there()
        self.new_bucket("first")

    def new_bucket(self, name: str) -> None:
        """Begin with an empty bucket."""
        self.s3.create(name)
        self.name = name
        self.bucket: Bucket = bucket_of(self.store, name, "ci")

    def client(self) -> Client:
        """The product's, with its own number of tries, on a clock that does not wait."""
        return Client(credentials=lambda _: None, policy=Policy(), clock=moving_clock()[0])

    def back_up(self) -> int:
        """`inv backup`."""
        work = self.work
        return backup(work.project, work.recipes, services(self.client()), self.bucket, BASE, jobs=2)[1]

    def verify(self) -> int:
        """`inv backup --verify`."""
        verify(services(), self.bucket, jobs=2)
        return 0

    def recover(self) -> int:
        """`inv recover`."""
        entries = entries_of_pattern(self.work.project, self.work.recipes, self.bucket, BASE)
        wanted = Recovery(yes=True, jobs=2)
        return recover(self.work.project, services(self.client()), self.bucket, entries, wanted)[1]

    def broken(self, chance: random.Random, flow: Code) -> int:
        """Run a flow while things break; its exit code. Only errors that have words end it."""
        self.store.faults, self.front.faults = schedule(chance, S3_REQUESTS), schedule(chance, REGISTRY_REQUESTS)
        try:
            return flow()
        except ImageyardError as error:
            return exit_code(error)
        finally:
            self.store.faults, self.front.faults = [], []

    def there(self) -> dict[str, bytes]:
        """What the registry has, asked by its own address: the bytes under each tag and of what it lists."""
        found: dict[str, bytes] = {}
        try:
            tags = list(self.direct.tags(self.place))
        except NotFound:
            return found
        for tag in tags:
            raw = self.direct.get(self.place.with_tag(tag))
            found[tag] = raw.body
            for entry in json.loads(raw.body).get("manifests", ()):
                found[entry["digest"]] = self.direct.get(self.place.with_digest(entry["digest"])).body
        return found

    def empty(self) -> None:
        """Lose everything that the registry has."""
        tool("find", self.registry.storage, "-mindepth", "1", "-delete")

    def check_bucket(self) -> list[str]:
        """The tags that are backed up; asserts that no byte in the bucket is wrong, and entries name what is there."""
        objects = {key.removeprefix("ci/"): body for key, body in self.s3.objects(self.name).items()}
        for key, body in objects.items():
            if key.startswith(("blobs/", "manifests/")):
                assert digest_of(body) == f"sha256:{key.rpartition('/')[2]}", key
        tags = [loads(body, key) for key, body in objects.items() if key.startswith("tags/")]
        generations = [loads(body, key) for key, body in objects.items() if key.startswith("generations/")]
        for entry in [*tags, *(one for generation in generations for one in generation["tags"])]:
            parts = [f"{kind}/{d.replace(':', '/')}" for kind in ("manifests", "blobs") for d in entry[kind]]
            assert parts
            assert set(parts) <= set(objects), entry["tag"]
        return [entry["tag"] for entry in tags]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "checkout").mkdir()
    registries = serve(folder / "registry")
    registry = next(registries)
    with (
        memory_s3_served() as s3,
        running(Proxy(registry.host)) as front,
        running(Proxy(s3.host)) as store,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore waits for seconds between its own tries
        patch.setattr(bucket_upload, "PART", PIECE)
        patch.setattr(bucket_store, "PIECE", PIECE)
        yield Scene(folder / "checkout", registry, front, s3, store)
    registries.close()


ENDS: Counter[bool] = Counter()


@pytest.mark.parametrize("seed", range(25))
def test_with_faults_the_end_is_right_or_it_says_so(scene: Scene, seed: int, soak: bool) -> None:
    """25 schedules in the tests, 500 in the soak."""
    for number in range(seed, 500 if soak else 25, 25):
        chance = random.Random(number)
        scene.new_bucket(f"schedule-{number}")
        code = scene.broken(chance, scene.back_up)
        saved = scene.check_bucket()
        assert code != 0 or sorted(saved) == sorted(tag for tag in scene.before if ":" not in tag and _is_ours(tag))
        ENDS[code == 0] += 1
        assert scene.back_up() == 0
        assert scene.verify() == 0

        scene.empty()
        assert scene.there() == {}
        code = scene.broken(chance, scene.recover)
        found = scene.there()
        assert code != 0 or found == scene.before
        assert all(scene.before[name] == body for name, body in found.items() if _is_ours(name)), number
        ENDS[code == 0] += 1
        assert scene.recover() == 0
        assert scene.there() == scene.before


def test_the_schedules_break_some_runs_and_not_all() -> None:
    """Or they would show nothing."""
    assert ENDS[False] >= 5 or sum(ENDS.values()) < 50, ENDS
    assert ENDS[True] >= 5 or sum(ENDS.values()) < 50, ENDS


def _is_ours(name: str) -> bool:
    """Whether it is no list of referrers under a tag, which a registry without their API has, and which grows."""
    return not (name.startswith("sha256-") and "." not in name)
