"""A role's session that ends while a bucket is used: the role is taken again, once, and nothing is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from imageyard.access import aws_role
from imageyard.aws import AwsService, Caller, Keys
from imageyard.bucket.objects import Bucket
from imageyard.errors import Denied
from imageyard.http.backoff import Clock
from imageyard.keep.backup_place import backup_place
from imageyard.parallel import each
from support.aws.bucket import REGION
from support.aws.memory_s3 import MemoryS3
from support.building.checkout import CATALOGUE, scene_of
from support.registry.faults import Answer, running
from support.registry.memory import MemoryRegistry
from support.services import services
from support.yard.kept import make_kept

ROLE = "arn:aws:iam::123456789012:role/backup"


class Strict(MemoryS3):
    """S3 that takes one session at a time, and ends it after `life` requests where that is set."""

    life = 0

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.left = 0
        self.new_session()

    def new_session(self) -> None:
        """From now on an earlier session has ended."""
        self.number += 1
        self.left = self.life
        self.keys = {f"session-{self.number}"}

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        with self.lock:
            self.left -= 1
            if self.left == 0:
                self.new_session()
        return super().own(handler, body)


@dataclass
class Role:
    """A role that can be taken: the keys of the session that S3 takes now, for a time."""

    s3: Strict
    lasts: timedelta = timedelta(hours=1)
    taken: int = 0

    def __call__(self) -> Keys:
        self.taken += 1
        ends = datetime.now(timezone.utc) + self.lasts
        return Keys(f"session-{self.s3.number}", "secret", "token", ends)


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits for seconds between its own tries."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def s3() -> Iterator[Strict]:
    with running(Strict()) as served:
        assert isinstance(served, Strict)
        served.create("kept")
        yield served


def bucket_for(s3: MemoryS3, caller: Caller) -> Bucket:
    service = AwsService("s3", REGION, caller=caller, endpoint=s3.endpoint)
    return Bucket(service, "kept", "ci", Clock(sleep=lambda seconds: None))


def test_every_operation_goes_on_when_the_session_has_ended(s3: Strict) -> None:
    role = Role(s3)
    bucket = bucket_for(s3, role)
    bucket.put("a", b"a")
    upload = bucket.call("create_multipart_upload", "b", "testing")["UploadId"]
    assert role.taken == 1
    for operation in (
        lambda: bucket.head("a"),  # to which S3 answers without words
        lambda: bucket.get("a"),
        lambda: bucket.range("a", 0, 0),
        lambda: list(bucket.list("")),
        lambda: bucket.put("c", b"c"),
        lambda: bucket.replace("a", b"another"),
        lambda: list(bucket.unfinished("")),
        lambda: list(bucket.parts("b", upload)),
        lambda: bucket.delete("c"),
    ):
        s3.new_session()
        operation()
    assert role.taken == 10


@pytest.mark.parametrize(("lasts", "taken"), [(timedelta(minutes=4), 3), (timedelta(minutes=20), 1)])
def test_a_role_is_taken_again_before_its_session_ends(s3: Strict, lasts: timedelta, taken: int) -> None:
    role = Role(s3, lasts)
    bucket = bucket_for(s3, role)
    for key in ("a", "b", "c"):
        bucket.put(key, b"")
    assert role.taken == taken


def test_threads_take_it_once(s3: Strict) -> None:
    role = Role(s3)
    bucket = bucket_for(s3, role)
    bucket.put("a", b"a")
    s3.new_session()
    assert each(range(16), lambda number: bucket.head("a") is not None, 8) == [True] * 16
    assert role.taken == 2


def test_keys_that_nobody_renews_are_refused(s3: Strict) -> None:
    bucket = bucket_for(s3, Keys("session-1", "secret", "token"))
    bucket.put("a", b"a")
    s3.new_session()
    with pytest.raises(Denied, match="ExpiredToken"):
        bucket.get("a")


def test_a_backup_and_a_recovery_outlive_many_sessions(tmp_path: Path) -> None:
    with running(Strict()) as s3:
        assert isinstance(s3, Strict)
        kept = make_kept(tmp_path / "checkout", s3, lambda name: s3.create("kept"))
        role, s3.life = Role(s3), 9
        s3.new_session()
        kept.use(bucket_for(s3, role))
        kept.promote()
        before = kept.there()
        assert kept.back_up()[1] == 0
        kept.empty()
        assert kept.recover()[1] == 0
        assert kept.there() == before
        assert role.taken > 5


@pytest.mark.parametrize(("told", "taken"), [(None, ROLE), (f"{ROLE}-of-the-job", f"{ROLE}-of-the-job"), ("", None)])
def test_a_job_that_has_an_identity_takes_the_role_of_its_login_else_that_of_the_catalogue(
    told: str | None, taken: str | None, tmp_path: Path, s3: Strict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login by an empty role says that none is taken: then the environment's credentials are used."""
    monkeypatch.delenv("IMAGEYARD_AWS_ROLE", raising=False)
    if told is not None:
        monkeypatch.setenv("IMAGEYARD_AWS_ROLE", told)
    role, asked = Role(s3), list[str]()

    def assume(arn: str, settings: Any, *around: Any) -> aws_role.Assumed:
        asked.append(f"{arn} {settings['duration']}")
        return aws_role.Assumed(role(), arn)

    monkeypatch.setattr(aws_role, "assume", assume)
    section = f"backup: {{bucket: kept, region: {REGION}, endpoint: '{s3.endpoint}', role: '{ROLE}'}}\n"
    work = scene_of(tmp_path, **{"images.yml": CATALOGUE + section})
    around = services(MemoryRegistry().client())
    monkeypatch.setattr(type(around.provider), "has_identity", lambda provider: True)
    bucket = backup_place(work.project.catalogue, around).bucket
    assert asked == []
    if taken is None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"session-{s3.number}")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        bucket.put("a", b"a")
        assert asked == []
        return
    bucket.put("a", b"a")
    s3.new_session()
    bucket.put("b", b"b")
    assert asked == [f"{taken} 3600.0"] * 2
