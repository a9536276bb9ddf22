"""Uploading and indexing under the rendered policies: what the flows ask the bucket for is what their roles may do.

The judge is `support.aws.policy`, in front of S3 in memory; it sees every request, so that the keys of `places` and the
folders that policies name cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from imageyard.bucket.objects import ObjectVersion
from imageyard.console import Story
from imageyard.errors import Denied
from imageyard.lanes.index_update import update_index
from imageyard.lanes.places import log_key, request_key
from imageyard.lanes.purge import purge
from imageyard.lanes.purge_plan import Purging
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.upload import upload_file
from support.aws.policy import allowed
from support.lanes.catalogues import BUCKET, of, rendered, roles_of
from support.lanes.channels import BY, lane_channel, names, request, wheel_file
from support.lanes.memory_s3 import MemoryS3

ROLES = roles_of()
BUCKET_POLICY = rendered().bucket_policy or {}
ARN = f"arn:aws:s3:::{BUCKET}"
PART_OF_AN_UPLOAD = ("create_multipart_upload", "upload_part")
ACTIONS = {
    "abort_multipart_upload": "AbortMultipartUpload",
    "complete_multipart_upload": "PutObject",
    "create_multipart_upload": "PutObject",
    "delete_object": "DeleteObjectVersion",
    "delete_object_tagging": "DeleteObjectTagging",
    "get_object": "GetObject",
    "head_object": "GetObject",
    "list_object_versions": "ListBucketVersions",
    "list_multipart_uploads": "ListBucketMultipartUploads",
    "list_objects_v2": "ListBucket",
    "list_parts": "ListMultipartUploadParts",
    "put_object": "PutObject",
    "put_object_tagging": "PutObjectTagging",
    "upload_part": "PutObject",
}
"""What each operation needs (Amazon S3 User Guide, "Required permissions for Amazon S3 API operations")."""
ONE, TWO = names("1.0+acme", "1.1+acme")
RULES = lane_channel()


class JudgedS3(MemoryS3):
    """S3 in memory, which asks the policies first; `who` has the credentials."""

    who = "acme"

    def call(
        self, operation: str, doing: str, *, refused: Callable[[str, str], Any], **given: Any
    ) -> Mapping[str, Any]:
        key = given.get("Key")
        context = {
            "aws:PrincipalArn": f"arn:aws:iam::123456789012:role/{of().role_of(self.who)}",
            "aws:SecureTransport": "true",
            "s3:ObjectCreationOperation": "false" if operation in PART_OF_AN_UPLOAD else "true",
        }
        if self.who in ("indexer", "purge"):
            context["aws:PrincipalArn"] = f"arn:aws:iam::123456789012:role/wheels-{self.who}"
        context |= {name: given[said] for said, name in SAID.items() if said in given}
        context |= {f"s3:ExistingObjectTag/{name}": value for name, value in self.tags.get(str(key), {}).items()}
        policies = [ROLES[self.who]["policy"], BUCKET_POLICY]
        resource = ARN if key is None else f"{ARN}/{key}"
        if not allowed(policies, f"s3:{ACTIONS[operation]}", resource, context):
            raise Denied(f"{self.who} may not {operation} {key or given.get('Prefix')}")
        return super().call(operation, doing, refused=refused, **given)


SAID = {"IfNoneMatch": "s3:if-none-match", "Prefix": "s3:prefix"}


@pytest.fixture
def s3() -> JudgedS3:
    return JudgedS3()


@pytest.mark.parametrize("part", [None, 100])
def test_a_lane_uploads_with_its_own_role(
    s3: JudgedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int | None
) -> None:
    """In one piece, and in parts; and again, where all is there already."""
    if part:
        monkeypatch.setattr("imageyard.bucket.upload.PART", part)
    path = wheel_file(tmp_path, ONE)
    outcomes = [upload_file(s3.bucket(), RULES, path, BY).outcome for _ in range(2)]
    assert outcomes == ["created", "already there"]
    assert ("upload_part" in {operation for operation, _ in s3.calls}) is (part is not None)


@pytest.mark.parametrize("who", ["acme-evil", "globex", "initech", "purge"])
def test_nobody_uploads_with_another_role(s3: JudgedS3, tmp_path: Path, who: str) -> None:
    s3.who = who
    with pytest.raises(Denied):
        upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY)
    for key in (f"files/acme/stable/{ONE}", request_key("acme", "1"), request_key("centre", "1")):
        with pytest.raises(Denied):
            s3.bucket().put(key, b"x")
    assert s3.objects == {}


def test_the_indexer_does_all_of_its_work_with_its_own_role(s3: JudgedS3, tmp_path: Path) -> None:
    """It reads, lists, executes requests of a lane and of the centre, marks, and takes a mark off."""
    for name in (ONE, TWO):
        upload_file(s3.bucket(), RULES, wheel_file(tmp_path, name), BY)
    for name, action in (("1", "yank"), ("2", "withdraw")):
        s3.bucket().put(request_key("acme", name), request(action, ONE))
    s3.who = "indexer"
    assert [entry.refused for entry in update_index(s3.bucket(), RULES, s3.clock()).executed] == ["", ""]
    assert len(s3.tags) == 3
    s3.put(request_key("centre", "1"), request("restore", ONE, lane="acme"))
    assert [entry.refused for entry in update_index(s3.bucket(), RULES, s3.clock()).executed] == [""]
    assert s3.tags == {}


@pytest.mark.parametrize("who", ["acme", "acme-evil", "purge"])
def test_nobody_else_indexes(s3: JudgedS3, tmp_path: Path, who: str) -> None:
    upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY)
    before = dict(s3.objects)
    s3.who = who
    with pytest.raises(Denied):
        update_index(s3.bucket(), RULES, s3.clock())
    assert s3.objects == before


def test_a_lane_does_not_read_what_is_withdrawn(s3: JudgedS3, tmp_path: Path) -> None:
    key = upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY).key
    s3.bucket().put(request_key("acme", "1"), request("withdraw", ONE))
    s3.who = "indexer"
    update_index(s3.bucket(), RULES, s3.clock())
    s3.who = "acme"
    with pytest.raises(Denied):
        s3.bucket().get(key)
    with pytest.raises(FileRefused, match="is withdrawn, and its name stays taken"):
        upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY)


PURGING = Purging("acme", "stable", ONE, "a miner is in it", "centre local")


def test_the_purge_does_all_of_its_work_with_its_own_role(s3: JudgedS3, tmp_path: Path) -> None:
    """The file is withdrawn by the indexer before; whatever else the bucket has stays."""
    upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY)
    s3.bucket().put(request_key("acme", "1"), request("withdraw", ONE))
    s3.who = "indexer"
    update_index(s3.bucket(), RULES, s3.clock())
    before = set(s3.objects)
    s3.who = "purge"
    assert len(purge(s3.bucket(), PURGING, Story("plain", StringIO()), s3.clock(), yes=True)) == 3
    gone = {key for key in before if key.startswith("files/")}
    assert set(s3.objects) == before - gone | {log_key(2), log_key(3)}


@pytest.mark.parametrize("who", ["acme", "indexer"])
def test_nobody_else_purges(s3: JudgedS3, tmp_path: Path, who: str) -> None:
    upload_file(s3.bucket(), RULES, wheel_file(tmp_path, ONE), BY)
    s3.bucket().put(request_key("acme", "1"), request("withdraw", ONE))
    s3.who = "indexer"
    update_index(s3.bucket(), RULES, s3.clock())
    before = dict(s3.objects)
    s3.who = who
    with pytest.raises(Denied):
        purge(s3.bucket(), PURGING, Story("plain", StringIO()), s3.clock(), yes=True)
    with pytest.raises(Denied):
        s3.bucket().delete_version(ObjectVersion(f"files/acme/stable/{ONE}", "null", 1, is_mark=False))
    assert s3.objects == before
