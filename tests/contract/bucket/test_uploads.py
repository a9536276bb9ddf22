"""Large blobs in a bucket: in parts, resumed, checked by both sides, and never replaced."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.bucket.store import BucketStore, Damaged, blob_key
from imageyard.bucket.upload import PART
from imageyard.errors import NotFound, Transient
from imageyard.oci.manifests import Descriptor, digest_of
from imageyard.oci.memory import MemoryStore
from support.aws.bucket import StrictS3, bucket_of
from support.aws.memory_s3 import memory_s3_served
from support.registry.faults import Fault, Proxy, running

LARGE = bytes(range(256)) * (PART // 256) * 2 + b"and the rest of it"
NUMBERS = itertools.count()
BLOB = Descriptor("application/octet-stream", digest_of(LARGE), len(LARGE))


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits for seconds between its own tries."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module", params=["moto_s3", "memory"])
def s3(request: pytest.FixtureRequest) -> Iterator[StrictS3]:
    """Both stand-ins of S3: what holds at one holds at the other."""
    if request.param == "moto_s3":
        yield request.getfixturevalue("moto_s3")
    else:
        with memory_s3_served() as served:
            yield served


@pytest.fixture
def bucket(s3: StrictS3) -> Bucket:
    s3.create(f"uploads-{next(NUMBERS)}")
    return bucket_of(s3, s3.buckets[-1], "ci")


def put(bucket: Bucket, content: bytes = LARGE) -> None:
    BucketStore(bucket, "r.test/ci").put_blob(BLOB, io.BytesIO(content), MemoryStore("the source"))


def read(bucket: Bucket) -> bytes:
    with BucketStore(bucket, "r.test/ci").blob(BLOB) as blob:
        return blob.read()


def test_a_large_blob_goes_in_parts_and_comes_back_in_ranges(bucket: Bucket, s3: StrictS3) -> None:
    begun = len(s3.log)
    put(bucket)
    assert read(bucket) == LARGE
    lines = [line for line, _ in s3.log[begun:]]
    assert sum("partNumber=" in line and line.startswith("PUT") for line in lines) == 3
    assert sum(line.startswith("GET") and blob_key(BLOB.digest) in line and "?" not in line for line in lines) == 3
    completed = next(sent for line, sent in s3.log[begun:] if line.startswith("POST") and "uploadId=" in line)
    assert completed["if-none-match"] == "*"


@pytest.mark.parametrize("sent", [0, 1, 2, 3])
def test_an_upload_that_was_stopped_goes_on_where_it_was(bucket: Bucket, s3: StrictS3, sent: int) -> None:
    with running(Proxy(s3.host)) as broken:
        stop = "POST .*uploadId=" if sent == 3 else f"partNumber={sent + 1}"
        broken.faults = [Fault(stop, "status", 500)]
        with pytest.raises(Transient):
            put(bucket_of(broken, s3.buckets[-1], "ci"))
    assert not BucketStore(bucket, "r.test/ci").has_blob(BLOB.digest)
    begun = len(s3.log)
    put(bucket)
    lines = [line for line, _ in s3.log[begun:]]
    assert sum("partNumber=" in line and line.startswith("PUT") for line in lines) == 3 - sent
    assert read(bucket) == LARGE


@pytest.mark.parametrize("where", ["PUT .*partNumber=2", "POST .*uploads", "POST .*uploadId="])
def test_an_answer_that_is_lost_is_no_error(bucket: Bucket, s3: StrictS3, where: str) -> None:
    with running(Proxy(s3.host)) as broken:
        broken.faults = [Fault(where, "lost", times=1)]
        put(bucket_of(broken, s3.buckets[-1], "ci"))
    assert read(bucket) == LARGE


def test_other_bytes_are_refused_and_nothing_is_kept_of_them(bucket: Bucket) -> None:
    for content in (LARGE[:-1] + b"!", LARGE[:-1], LARGE + b"!"):
        with pytest.raises(Transient, match="the source answered with other bytes"):
            put(bucket, content)
    assert not BucketStore(bucket, "r.test/ci").has_blob(BLOB.digest)
    assert list(bucket.unfinished("")) == []


def test_what_was_completed_by_another_writer_meanwhile_stays(bucket: Bucket, s3: StrictS3) -> None:
    def other(self: Proxy, line: str) -> Fault | None:
        if line.startswith("POST") and "uploadId=" in line and not done:
            done.append(line)
            put(bucket)  # it resumes the same upload, and completes it
        return None

    done: list[str] = []
    with running(type("Meeting", (Proxy,), {"fault_for": other})(s3.host)) as meeting:
        put(bucket_of(meeting, s3.buckets[-1], "ci"))
    assert done
    assert read(bucket) == LARGE


def test_a_flipped_bit_on_the_way_is_refused_by_the_bucket(bucket: Bucket, s3: StrictS3) -> None:
    class Flipping(Proxy):
        def forward(self, handler: object, body: bytes) -> object:  # type: ignore[override]
            if handler.command == "PUT" and body and not flipped:  # type: ignore[attr-defined]
                flipped.append(True)
                body = bytes([body[0] ^ 1]) + body[1:]
            return super().forward(handler, body)  # type: ignore[arg-type]

    flipped: list[bool] = []
    with running(Flipping(s3.host)) as broken:
        put(bucket_of(broken, s3.buckets[-1], "ci"))
    assert flipped
    assert read(bucket) == LARGE


def test_an_object_that_is_damaged_is_neither_used_nor_taken_for_the_blob(bucket: Bucket, s3: StrictS3) -> None:
    small = Descriptor("x", digest_of(b"small"), 5)
    bucket.put(blob_key(small.digest), b"other")
    with pytest.raises(Damaged, match="holds other bytes than its name says"):
        BucketStore(bucket, "r.test/ci").has_blob(small.digest)


def test_a_listing_that_was_cut_is_an_error(bucket: Bucket, s3: StrictS3) -> None:
    for number in range(3):
        bucket.put(f"blobs/{number}", b"")

    assert [listed.key for listed in bucket.list("blobs/")] == ["blobs/0", "blobs/1", "blobs/2"]
    with running(Proxy(s3.host)) as broken:
        broken.faults = [Fault("list-type", "omit")]
        with pytest.raises(Transient, match="a listing that was cut"):
            list(bucket_of(broken, s3.buckets[-1], "ci").list("blobs/"))


def test_a_bucket_that_is_not_there_is_not_found(s3: StrictS3) -> None:
    with pytest.raises(NotFound, match="NoSuchBucket"):
        list(bucket_of(s3, "never-made").list(""))
