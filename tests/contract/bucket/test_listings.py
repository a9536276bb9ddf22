"""Listings of a bucket that have more than one page: read whole, and told where they were cut."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.errors import Transient
from imageyard.keep.backup_index import backed_up
from imageyard.keep.backup_verify import verify
from support.aws.bucket import StrictS3, bucket_of
from support.aws.memory_s3 import MemoryS3, memory_s3_served
from support.registry.faults import Answer, Fault, Proxy, running
from support.registry.memory import Fault as RegistryFault
from support.services import services
from support.yard.kept import make_kept

NUMBERS = itertools.count()
KEYS = [f"blobs/{number:03}" for number in range(7)]


class ShortPages(Proxy):
    """Asks S3 for three entries at a time, of whatever is listed."""

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        for asked, most in (("list-type=", "max-keys"), ("?uploads", "max-uploads"), ("uploadId=", "max-parts")):
            if handler.command == "GET" and asked in handler.path:
                handler.path += f"&{most}=3"
        return super().forward(handler, body)


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits for seconds between its own tries."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module", params=["moto", "memory"])
def s3(request: pytest.FixtureRequest) -> Iterator[StrictS3]:
    """Both stand-ins of S3."""
    if request.param == "moto":
        yield request.getfixturevalue("moto_s3")
    else:
        with memory_s3_served() as served:
            served.page = 3
            yield served


@pytest.fixture
def short(s3: StrictS3) -> Iterator[Proxy]:
    with running(ShortPages(s3.host)) as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: StrictS3, short: Proxy) -> Bucket:
    """A bucket with seven objects, whose listings come three by three."""
    name = f"listings-{next(NUMBERS)}"
    s3.create(name)
    made = bucket_of(short, name, "ci")
    for key in KEYS:
        made.put(key, b"")
    return made


def test_objects_come_page_by_page(bucket: Bucket, short: Proxy) -> None:
    assert [listed.key for listed in bucket.list("blobs/")] == KEYS
    assert len(short.requests("list-type")) == 3


def test_parts_come_page_by_page(bucket: Bucket) -> None:
    begun = bucket.call("create_multipart_upload", "blobs/x", "testing", ChecksumAlgorithm="SHA256")["UploadId"]
    for number in range(1, 8):
        bucket.call("upload_part", "blobs/x", "testing", UploadId=begun, PartNumber=number, Body=b"x" * number)
    assert [(part["PartNumber"], part["Size"]) for part in bucket.parts("blobs/x", begun)] == [
        (number, number) for number in range(1, 8)
    ]


def test_unfinished_uploads_come_page_by_page() -> None:
    """Moto has one page of them, however long."""
    with memory_s3_served() as s3:
        s3.page = 3
        s3.create("uploads")
        bucket = bucket_of(s3, "uploads", "ci")
        for key in KEYS:
            bucket.call("create_multipart_upload", key, "testing")
        assert [key for key, _, _ in bucket.unfinished("")] == KEYS


Change = Callable[[bytes], bytes]
CUTS: dict[str, tuple[str, Change]] = {
    "the next page is not named": ("list-type", lambda body: re.sub(rb"<NextCont.*?Token>[^<]*</[^>]*>", b"", body)),
    "nothing says whether there are more": ("list-type", lambda body: re.sub(rb"<IsTrunc.*?</[^>]*>", b"", body)),
    "a page is read again": ("continuation-token", lambda body: PAGES[0]),
    "an entry is missing on a later page": (
        "continuation-token",
        lambda body: re.sub(rb"<Contents>.*?</Contents>", b"", body, count=1, flags=re.DOTALL),
    ),
}
PAGES: list[bytes] = []


@pytest.mark.parametrize("how", CUTS)
def test_a_listing_that_was_cut_is_an_error(bucket: Bucket, s3: StrictS3, how: str) -> None:
    where, change = CUTS[how]

    class Changing(ShortPages):
        def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
            answer = super().forward(handler, body)
            if where in handler.path:
                PAGES.append(answer.body)
                answer.body = change(answer.body)
                answer.headers = [(k, v) for k, v in answer.headers if k.lower() != "content-length"]
                answer.headers.append(("Content-Length", str(len(answer.body))))
            return answer

    PAGES.clear()
    with running(Changing(s3.host)) as broken:
        with pytest.raises(Transient, match="a listing that was cut"):
            list(bucket_of(broken, s3.buckets[-1], "ci").list("blobs/"))
        assert broken.log


@pytest.mark.parametrize("kind", ["status", "reset", "truncate"])
def test_a_later_page_that_does_not_come_is_an_error(bucket: Bucket, s3: StrictS3, short: Proxy, kind: str) -> None:
    short.faults = [Fault("continuation-token", kind)]  # type: ignore[arg-type]
    with pytest.raises(Transient):
        list(bucket.list("blobs/"))


def test_more_than_a_thousand_objects_are_listed() -> None:
    with memory_s3_served() as s3:
        s3.create("large")
        bucket = bucket_of(s3, "large")
        keys = [f"blobs/{number:04}" for number in range(1001)]
        s3.fill("large", keys)
        assert [listed.key for listed in bucket.list("")] == keys
        assert len(s3.requests("list-type")) == 2


def test_backup_verify_and_recovery_read_every_page(tmp_path: Path) -> None:
    with memory_s3_served() as s3:
        s3.page = 1
        kept = make_kept(tmp_path / "checkout", s3, s3.create)
        kept.registry.page = 1
        kept.promote()
        before = kept.there()
        done, code = kept.back_up()
        assert (code, len(done)) == (0, 4), "the signature is on the last page of tags"
        assert backed_up(kept.bucket) == before[1]
        verify(services(), kept.bucket, jobs=1)
        kept.empty()
        assert kept.recover()[1] == 0
        assert kept.there() == before


@pytest.mark.parametrize("status", [404, 500])
def test_a_cut_list_of_tags_is_told_and_nothing_is_backed_up(tmp_path: Path, s3: MemoryS3, status: int) -> None:
    """Its later pages may name signatures."""
    kept = make_kept(tmp_path / "checkout", s3, s3.create)
    kept.registry.page = 1
    kept.promote()
    kept.registry.faults = [RegistryFault("GET .*last=", status=status, times=99)]
    with pytest.raises(Transient):
        kept.back_up()
    assert list(kept.bucket.list("")) == []
