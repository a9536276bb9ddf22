"""Whoever uploads, indexes or purges is killed at any request to S3: pages stay true, the next run does the rest."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imageyard.lanes.model import STATE_TAG, WITHDRAWN
from support.aws.bucket import StrictS3, s3_served
from support.lanes.channels import names, request
from support.lanes.memory_s3 import page_lies
from support.lanes.signed import signer
from support.lanes.wheels import wheel, wheel_parts
from support.lanes.zips import STORED, Part, write_zip
from support.registry.faults import running
from support.registry.stalling import Stalling

ONE, TWO, THREE, FOUR = names("1.0+acme", "1.1+acme", "1.2+acme", "1.3+acme")
PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"
TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def s3() -> Iterator[StrictS3]:
    with s3_served() as served:
        yield served


class Scene:
    """A bucket behind a proxy that answers one request never."""

    def __init__(self, s3: StrictS3, name: str, proxy: Stalling, folder: Path) -> None:
        s3.create(name)
        self.s3, self.name, self.proxy, self.folder = s3, name, proxy, folder
        self.expected: set[str] = set()

    @property
    def objects(self) -> dict[str, bytes]:
        return self.s3.objects(self.name)

    def file(self, filename: str, body: bytes) -> str:
        path = self.folder / filename
        path.write_bytes(body)
        return str(path)

    def ask(self, name: str, body: bytes) -> None:
        self.s3.client().put_object(Bucket=self.name, Key=f"requests/acme/{name}.json", Body=body)

    def run(self, *argv: str) -> None:
        assert not self.killed(0, *argv)

    def killed(self, point: int, *argv: str) -> bool:
        """Kill a flow when its write at `point` has arrived; False where it has fewer, and ended well."""
        self.proxy.at, self.proxy.count = point, 0
        self.proxy.reached.clear()
        env = {**os.environ, "PYTHONPATH": str(TESTS), "AWS_MAX_ATTEMPTS": "1"}
        program = [
            sys.executable,
            str(TESTS / "support" / "lanes" / "child.py"),
            f"http://{self.proxy.host}",
            self.name,
        ]
        with subprocess.Popen([*program, *argv], env=env, stderr=subprocess.PIPE) as child:
            waiting = threading.Thread(target=lambda: (child.wait(), self.proxy.reached.set()))
            waiting.start()
            assert self.proxy.reached.wait(300)
            reached = child.poll() is None
            if reached:
                child.kill()
            waiting.join()
            said = child.stderr.read().decode() if child.stderr else ""
        assert reached or child.returncode == 0, said
        return reached

    def killed_everywhere(self, *argv: str) -> int:
        """Kill a flow at its first write, the next time at its second, and so on, until it ends."""
        count = 0
        while self.killed(count + 1, *argv):
            count += 1
            self.check()
        self.check()
        return count

    def check(self) -> None:
        """No page names what is not there, and nothing is gone that the log does not name."""
        assert page_lies(self.objects) == []
        named = {version for entry in self.log() for version in entry["versions"]}
        assert self.expected - self.versions() <= named

    def log(self) -> list[Any]:
        return [json.loads(body)["content"] for key, body in sorted(self.objects.items()) if key.startswith("log/")]

    def versions(self) -> set[str]:
        """Every version of a file, and every mark of a deletion."""
        listed = self.s3.client().list_object_versions(Bucket=self.name, Prefix="files/")
        every = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
        return {f"{one['Key']} {one['VersionId']}" for one in every}


@pytest.fixture(params=[False, True], ids=["before", "after"])
def scene(request: pytest.FixtureRequest, s3: StrictS3, tmp_path: Path) -> Iterator[Scene]:
    with running(Stalling(s3.host, ("PUT", "POST", "DELETE"))) as proxy:
        assert isinstance(proxy, Stalling)
        proxy.after = request.param
        yield Scene(s3, f"{request.node.originalname[5:].replace('_', '-')[:40]}-{int(request.param)}", proxy, tmp_path)


def large() -> bytes:
    """A wheel that goes in parts."""
    noise = random.Random(7).randbytes(9_000_000)
    return write_zip(
        [Part(p.name, p.body, STORED) for p in wheel_parts("torch_acme-1.0+acme", {"torch_acme/x": noise})]
    )


def test_an_upload_that_is_killed_is_done_again(scene: Scene) -> None:
    body = large()
    path = scene.file(ONE, body)
    assert scene.killed_everywhere("upload", path) >= 3
    scene.run("index")
    objects = scene.objects
    assert objects[f"files/acme/stable/{ONE}"] == body
    assert [file["filename"] for file in json.loads(objects[PAGE])["files"]] == [ONE]
    assert [file["core-metadata"] for file in json.loads(objects[PAGE])["files"]] != [False]
    left = scene.s3.client().list_multipart_uploads(Bucket=scene.name).get("Uploads", [])
    assert {upload["Key"] for upload in left} == {f"files/acme/stable/{ONE}"}, "for the lifecycle rule of the bucket"


def test_nothing_is_listed_without_the_provenance_that_is_demanded(scene: Scene) -> None:
    """Wherever the upload is killed an indexer runs, and the next time the upload does what is missing."""
    path, key = scene.file(ONE, wheel(ONE)), f"files/acme/stable/{ONE}"
    points = []
    while scene.killed(len(points) + 1, "signed-upload", path):
        scene.run("signed-index")
        objects = scene.objects
        listed = [file["filename"] for file in json.loads(objects[PAGE])["files"]] if PAGE in objects else []
        assert page_lies(objects) == []
        assert listed == ([ONE] if f"{key}.intoto.jsonl" in objects else [])
        points.append((key in objects, bool(listed)))
    assert (True, False) in points, "the file is there, and its provenance is not"
    assert points[-1] == (True, True)
    scene.run("signed-index")
    assert [file["filename"] for file in json.loads(scene.objects[PAGE])["files"]] == [ONE]
    assert scene.objects[f"{key}.intoto.jsonl"] == signer().sign(ONE, hashlib.sha256(wheel(ONE)).hexdigest())


def test_an_indexer_that_is_killed_executes_every_request_once(scene: Scene) -> None:
    for name in (ONE, TWO, FOUR):
        scene.run("upload", scene.file(name, wheel(name)))
    scene.run("index")
    scene.run("upload", scene.file(THREE, wheel(THREE)))
    scene.ask("1", request("yank", ONE))
    scene.ask("2", request("withdraw", TWO))
    scene.ask("3", request("withdraw", FOUR))
    assert scene.killed_everywhere("index") >= 5
    objects = scene.objects
    files = json.loads(objects[PAGE])["files"]
    assert [(file["filename"], file["yanked"]) for file in files] == [(THREE, False), (ONE, "it crashes")]
    assert [entry["id"] for entry in scene.log()] == ["acme/1", "acme/2", "acme/3"]
    for name in (TWO, FOUR):
        assert [key.rpartition("/")[2] for key, body in objects.items() if body == wheel(name)] == [name]
    beside = [key for key in objects if key.startswith((f"files/acme/stable/{TWO}", f"files/acme/stable/{FOUR}"))]
    assert len(beside) == 6
    for key in beside:
        tagged = scene.s3.client().get_object_tagging(Bucket=scene.name, Key=key)["TagSet"]
        assert tagged == [{"Key": STATE_TAG, "Value": WITHDRAWN}], "the policy of the bucket lets nobody read it"


def test_a_purge_that_is_killed_is_done_again(scene: Scene) -> None:
    """In a bucket that keeps versions, of which a file has an older one and a mark of a deletion."""
    s3 = scene.s3.client()
    s3.put_bucket_versioning(Bucket=scene.name, VersioningConfiguration={"Status": "Enabled"})
    key = f"files/acme/stable/{ONE}"
    s3.put_object(Bucket=scene.name, Key=key, Body=b"older")
    s3.delete_object(Bucket=scene.name, Key=key)
    for name in (ONE, TWO):
        scene.run("upload", scene.file(name, wheel(name)))
    scene.ask("1", request("withdraw", ONE))
    scene.run("index")
    scene.expected = scene.versions()
    mine = {version for version in scene.expected if version.startswith(key)}
    assert len(mine) == 5
    assert scene.killed_everywhere("purge", ONE) >= 3, "what is done is not done again, so that later runs have less"
    assert scene.versions() == scene.expected - mine
    assert [(entry["action"], len(entry["versions"])) for entry in scene.log()] == [
        ("withdraw", 0),
        ("purge", 5),
        ("purged", 0),
    ]
    scene.expected = scene.versions()
    s3.put_object(Bucket=scene.name, Key=key, Body=wheel(ONE))
    assert scene.killed_everywhere("index") >= 1
    assert [file["filename"] for file in json.loads(scene.objects[PAGE])["files"]] == [TWO], "its name is taken"
