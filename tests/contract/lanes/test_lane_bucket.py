"""A lane's flows at S3 by moto: checksums that it keeps, files in parts, listings, copies, headers of pages."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.lanes.index_update import update_index
from imageyard.lanes.model import STATE_TAG, WITHDRAWN
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.upload import upload_file
from imageyard.lanes.wheel import WheelRules
from support.aws.bucket import StrictS3, bucket_of
from support.lanes.channels import BY, lane_channel, names, request, wheel_file
from support.lanes.memory_s3 import page_lies
from support.lanes.wheels import wheel_parts
from support.lanes.zips import STORED, Part, write_zip

ONE, TWO = names("1.0+acme", "1.1+acme")
PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"
LARGE = lane_channel(wheels=WheelRules(["torch-acme"], "acme", 10**8, 10**9), quota=10**9)


@pytest.fixture(scope="module")
def s3(moto_s3: StrictS3) -> StrictS3:
    """It keeps headers of objects, and copies them."""
    return moto_s3


@pytest.fixture
def make_bucket(s3: StrictS3) -> Callable[[], Bucket]:
    def make() -> Bucket:
        s3.create(f"lanes-{len(s3.buckets)}")
        return bucket_of(s3, s3.buckets[-1], "ci")

    return make


def test_a_small_file(make_bucket: Callable[[], Bucket], s3: StrictS3, tmp_path: Path) -> None:
    bucket = make_bucket()
    path = wheel_file(tmp_path / "dist", ONE)
    done = upload_file(bucket, LARGE, path, BY)
    head = bucket.head(done.key)
    assert head is not None
    assert head.sha256 == base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
    puts = [(line, headers) for line, headers in s3.log if line.startswith(f"PUT /{s3.buckets[-1]}/ci/files/")]
    assert len(puts) == 3
    assert {headers.get("if-none-match") for _, headers in puts} == {"*"}
    assert upload_file(bucket, LARGE, path, BY).outcome == "already there"
    with pytest.raises(FileRefused) as refused:
        upload_file(bucket, LARGE, wheel_file(tmp_path / "other", ONE, files={"torch_acme/x.py": b"x"}), BY)
    assert refused.value.rule == "other-bytes"


def test_a_large_file_goes_in_parts_and_is_known_again(
    make_bucket: Callable[[], Bucket], s3: StrictS3, tmp_path: Path
) -> None:
    bucket = make_bucket()
    noise = random.Random(7).randbytes(9_000_000)
    parts = wheel_parts("torch_acme-1.0+acme", {"torch_acme/noise": noise})
    path = tmp_path / ONE
    path.write_bytes(write_zip([Part(part.name, part.body, STORED) for part in parts]))
    assert upload_file(bucket, LARGE, path, BY).outcome == "created"
    assert upload_file(bucket, LARGE, path, BY).outcome == "already there"
    update_index(bucket, LARGE)
    page = bucket.get(PAGE)
    assert page is not None
    assert json.loads(page[0])["files"][0]["hashes"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_pages_have_types_and_cache_headers_and_withdrawn_files_are_marked(
    make_bucket: Callable[[], Bucket], s3: StrictS3, tmp_path: Path
) -> None:
    bucket = make_bucket()
    for name in (ONE, TWO):
        upload_file(bucket, LARGE, wheel_file(tmp_path / "dist", name), BY)
    update_index(bucket, LARGE)
    head = s3.client().head_object(Bucket=s3.buckets[-1], Key=f"ci/{PAGE}")
    assert (head["ContentType"], head["CacheControl"]) == ("application/vnd.pypi.simple.v1+json", "public, max-age=600")
    assert update_index(bucket, LARGE).written == ()
    bucket.put("requests/acme/1.json", request("withdraw", ONE))
    assert update_index(bucket, LARGE).marked == (ONE, f"{ONE}.metadata", f"{ONE}.upload.json")
    objects = {key.removeprefix("ci/"): body for key, body in s3.objects(s3.buckets[-1]).items()}
    assert page_lies(objects) == []
    assert [file["filename"] for file in json.loads(objects[PAGE])["files"]] == [TWO]
    tagged = s3.client().get_object_tagging(Bucket=s3.buckets[-1], Key=f"ci/files/acme/stable/{ONE}")["TagSet"]
    assert tagged == [{"Key": STATE_TAG, "Value": WITHDRAWN}]
