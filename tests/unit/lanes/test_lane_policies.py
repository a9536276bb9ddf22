"""What roles of lanes may do, and what nobody may do to the bucket: read off the rendered policies.

The judge is `support.aws.policy`, by AWS's documentation: it judges what moto does not, conditions of a bucket policy,
prefixes of listings, repositories of images, tags. `tests/real/lanes` has the matrix that moto judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from imageyard.lanes.policies import bucket_policy
from support.aws.policy import allowed
from support.lanes.catalogues import BUCKET, LANES, of, rendered, roles_of

ROLES = roles_of()
BUCKET_POLICY = bucket_policy(of())
ARN = f"arn:aws:s3:::{BUCKET}"
ACCOUNT = "arn:aws:iam::123456789012"
NAMES = {"indexer": "wheels-indexer", "purge": "wheels-purge"}
ADMINISTRATOR = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
NEW = {"s3:if-none-match": "*"}
TLS = {"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "true"}


def may(who: str, action: str, key: str, **context: str) -> bool:
    """Whether a role, or an administrator of the account, may do something to an object, by both policies."""
    own = ROLES[who]["policy"] if who in ROLES else ADMINISTRATOR
    arn = f"{ACCOUNT}:role/{NAMES.get(who, f'wheels-lane-{who}' if who in ROLES else who)}"
    named = {"aws:PrincipalArn": arn, **TLS, **context}
    return allowed([own, BUCKET_POLICY], f"s3:{action}", f"{ARN}/{key}", named)


def put(who: str, key: str, context: Mapping[str, str] = NEW) -> bool:
    return may(who, "PutObject", key, **context)


FILE = "files/acme/nightly/torch_acme-1.0-py3-none-any.whl"

WRITERS = [
    (FILE, "acme"),
    ("files/acme/stable/x", "acme"),
    ("files/acme/x", ""),
    ("files/acme/other/x", ""),
    ("files/acme/nightly", ""),
    ("files/acme/nightly-/x", ""),
    ("files/acme-evil/stable/x", "acme-evil"),
    ("files/acme", ""),
    ("files/acme-", ""),
    ("files/x", ""),
    ("files/", ""),
    ("files/initech/nightly/x", ""),
    ("files/globex/nightly/a/b", "globex"),
    ("files/globex/stable/../../acme/stable/x", "globex"),
    ("files/globex/../acme/stable/x", ""),
    ("files/globex%2f..%2facme/stable/x", ""),
    ("files//acme/stable/x", ""),
    ("files/ACME/stable/x", ""),
    ("files/acme%2Fstable%2Fx", ""),
    ("/files/acme/stable/x", ""),
    ("requests/acme/1.json", "acme"),
    ("requests/acme-evil/1.json", "acme-evil"),
    ("requests/acme.json", ""),
    ("index/acme/nightly/torch-acme/index.html", "indexer"),
    ("index/files/acme/x", "indexer"),
    ("index/acme", "indexer"),
    ("state/acme/stable.json", "indexer"),
    ("requests/centre/1.json", ""),
    ("log/2026/1.json", "indexer purge"),
    ("other", ""),
    ("", ""),
]
EVERYBODY = ("acme", "acme-evil", "globex", "initech", "indexer", "purge")


@pytest.mark.parametrize(("key", "writers"), WRITERS)
def test_who_may_create_what(key: str, writers: str) -> None:
    """S3 takes a key as it is: `..` and `%2f` are letters in it, and lead nowhere."""
    assert [who for who in EVERYBODY if put(who, key)] == writers.split()


def test_who_creates_in_another_bucket() -> None:
    for who, bucket in product(EVERYBODY, (f"{BUCKET}-evil", "other", f"x-{BUCKET}")):
        arn = f"arn:aws:s3:::{bucket}/files/{who}/stable/x"
        assert not allowed([ROLES[who]["policy"]], "s3:PutObject", arn, {**TLS, **NEW})


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
@pytest.mark.parametrize("key", [FILE, "requests/acme/1.json", "log/1.json", "files/x", "other", "index"])
def test_nobody_replaces_anything_but_an_index(who: str, key: str) -> None:
    """PutObject and CompleteMultipartUpload without the header; a copy without it is the same action."""
    assert not may(who, "PutObject", key)


@pytest.mark.parametrize(("who", "may_put"), [("acme", True), ("indexer", False), ("purge", False), ("globex", False)])
def test_the_steps_of_an_upload_in_parts_need_no_header(who: str, may_put: bool) -> None:
    """CreateMultipartUpload, UploadPart and UploadPartCopy create no object yet."""
    assert put(who, FILE, {"s3:ObjectCreationOperation": "false"}) is may_put
    assert put(who, FILE, {"s3:ObjectCreationOperation": "true", **NEW}) is may_put
    assert not put(who, FILE, {"s3:ObjectCreationOperation": "true"})


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
def test_the_indexer_alone_writes_indexes(who: str) -> None:
    page, state = "index/acme/stable/index.html", "state/acme/stable.json"
    for key in (page, state):
        assert may(who, "PutObject", key) is (who == "indexer")
        assert put(who, key) is (who == "indexer")
        assert not may(who, "DeleteObjectVersion", key)
    assert may(who, "DeleteObject", page) is (who == "indexer")
    assert not may(who, "DeleteObject", state)


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
@pytest.mark.parametrize("action", ["DeleteObject", "DeleteObjectVersion"])
def test_the_purge_alone_deletes_files_and_nothing_else(who: str, action: str) -> None:
    assert may(who, action, FILE) is (who == "purge")
    for key in ("requests/acme/1.json", "requests/centre/1.json", "log/1.json", "other"):
        assert not may(who, action, key)


@pytest.mark.parametrize(
    ("key", "may_read"),
    [
        (FILE, True),
        ("index/acme/stable/simple/torch-acme/index.html", True),
        ("log/1.json", True),
        ("requests/acme/1.json", False),
        ("state/acme/stable.json", False),
    ],
)
def test_what_the_purge_reads(key: str, may_read: bool) -> None:
    assert may("purge", "GetObject", key) is may_read
    assert may("purge", "PutObject", key, **NEW) is key.startswith("log/")
    assert not may("purge", "PutObject", key)


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
def test_the_indexer_and_the_purge_alone_write_the_log(who: str) -> None:
    assert put(who, "log/00000001.json") is (who in ("indexer", "purge"))


CLASS, KEY = "s3:x-amz-storage-class", "s3:x-amz-server-side-encryption-customer-algorithm"


@pytest.mark.parametrize(
    ("header", "value", "may_put"),
    [
        (CLASS, "STANDARD", True),
        (CLASS, "STANDARD_IA", False),
        (CLASS, "GLACIER", False),
        (CLASS, "DEEP_ARCHIVE", False),
        (CLASS, "INTELLIGENT_TIERING", False),
        (CLASS, "", False),
        (KEY, "AES256", False),
        (KEY, "", False),
    ],
)
@pytest.mark.parametrize("creates", ["true", "false"])
def test_nobody_stores_what_the_indexer_cannot_read(header: str, value: str, may_put: bool, creates: str) -> None:
    """In one piece, and when an upload in parts begins."""
    context = {**NEW, "s3:ObjectCreationOperation": creates, header: value}
    assert put("acme", FILE, context) is may_put
    assert put("indexer", "index/acme/index.html", context) is may_put


@pytest.mark.parametrize("who", EVERYBODY)
def test_nobody_deletes_the_log(who: str) -> None:
    assert not may(who, "DeleteObject", "log/1.json")
    assert not may(who, "DeleteObjectVersion", "log/1.json")


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
def test_nobody_sets_an_acl(who: str) -> None:
    for action in ("PutObjectAcl", "PutObjectVersionAcl"):
        assert not may(who, action, FILE)
    assert not put(who, FILE, {**NEW, "s3:x-amz-acl": "public-read"})
    assert not put(who, "index/acme/index.html", {"s3:x-amz-acl": "bucket-owner-full-control"})
    assert not allowed([ADMINISTRATOR, BUCKET_POLICY], "s3:PutBucketAcl", ARN, TLS)


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
def test_nobody_comes_without_tls(who: str) -> None:
    for action, key in product(("GetObject", "PutObject", "DeleteObject"), (FILE, "index/x", "requests/acme/1.json")):
        assert not may(who, action, key, **NEW, **{"aws:SecureTransport": "false"})
    plain = {"aws:SecureTransport": "false"}
    assert not allowed([ADMINISTRATOR, BUCKET_POLICY], "s3:ListBucket", ARN, plain)


@pytest.mark.parametrize("who", [*EVERYBODY, "administrator"])
def test_the_indexer_alone_marks_files(who: str) -> None:
    """A vendor who could take the mark off would give out again what the centre withdrew."""
    for action in ("PutObjectTagging", "DeleteObjectTagging"):
        assert may(who, action, FILE) is (who == "indexer")


@pytest.mark.parametrize(
    ("who", "file", "withdrawn"),
    [
        ("acme", True, False),
        ("acme-evil", False, False),
        ("initech", False, False),
        ("indexer", True, True),
        ("purge", True, True),
        ("administrator", True, False),
    ],
)
def test_who_reads_a_file_and_who_one_that_is_withdrawn(who: str, file: bool, withdrawn: bool) -> None:
    assert may(who, "GetObject", FILE) is file
    assert may(who, "GetObject", FILE, **{"s3:ExistingObjectTag/imageyard-state": "withdrawn"}) is withdrawn
    assert may(who, "GetObject", FILE, **{"s3:ExistingObjectTag/imageyard-state": "else"}) is file


EDGE = {
    "aws:PrincipalServiceName": "cloudfront.amazonaws.com",
    "AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E2EXAMPLE",
    "aws:SecureTransport": "true",
}


@pytest.mark.parametrize(
    ("key", "context", "may_read"),
    [
        (FILE, {}, True),
        ("index/acme/stable/index.html", {}, True),
        ("requests/acme/1.json", {}, False),
        ("log/1.json", {}, False),
        (FILE, {"s3:ExistingObjectTag/imageyard-state": "withdrawn"}, False),
        (FILE, {"AWS:SourceArn": "arn:aws:cloudfront::999999999999:distribution/E2EXAMPLE"}, False),
        (FILE, {"aws:PrincipalServiceName": "other.amazonaws.com"}, False),
        (FILE, {"aws:SecureTransport": "false"}, False),
    ],
)
def test_what_the_distribution_hands_out(key: str, context: dict[str, str], may_read: bool) -> None:
    assert allowed([BUCKET_POLICY], "s3:GetObject", f"{ARN}/{key}", {**EDGE, **context}) is may_read


def test_without_a_distribution_nobody_is_let_in_by_the_bucket() -> None:
    text = "\n".join(line for line in LANES.splitlines() if not line.startswith("distribution:"))
    policy = rendered(text).bucket_policy or {}
    assert {one["Effect"] for one in policy["Statement"]} == {"Deny"}


ACTIONS = {
    "acme": "s3: AbortMultipartUpload GetObject ListBucket ListMultipartUploadParts PutObject",
    "indexer": "s3: AbortMultipartUpload DeleteObject DeleteObjectTagging GetObject GetObjectTagging ListBucket"
    " ListMultipartUploadParts PutObject PutObjectTagging",
    "purge": "s3: DeleteObject DeleteObjectVersion GetObject GetObjectVersion ListBucket ListBucketVersions PutObject",
}


@pytest.mark.parametrize("who", ACTIONS)
def test_a_role_has_these_actions_of_s3_and_no_other(who: str) -> None:
    """None by a pattern either: whatever S3 has or will have besides, locks and retention, say, is not allowed."""
    found = {action for one in ROLES[who]["policy"]["Statement"] for action in _listed(one["Action"])}
    assert not [action for action in found if "*" in action or "?" in action]
    named = {action.removeprefix("s3:") for action in found if action.startswith("s3:")}
    assert " ".join(["s3:", *sorted(named)]) == ACTIONS[who]
    assert {one["Effect"] for one in ROLES[who]["policy"]["Statement"]} == {"Allow"}
    assert not any("NotAction" in one or "NotResource" in one for one in ROLES[who]["policy"]["Statement"])


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


LISTED = ["files/acme/", "files/acme/nightly/", "requests/acme/", "state/acme/"]
NOT_LISTED = ["", "files/", "files/acme", "files/acme-evil/", "requests/", "index/", "log/", "files/*", None]
NOT_LISTED += ["state/", "state/acme-evil/"]


@pytest.mark.parametrize("prefix", [*LISTED, *NOT_LISTED])
def test_a_lane_lists_its_own(prefix: str | None) -> None:
    context = {} if prefix is None else {"s3:prefix": prefix}
    policy = ROLES["acme"]["policy"]
    assert allowed([policy], "s3:ListBucket", ARN, context) is (prefix in LISTED)
    for other in ("ListBucketVersions", "ListBucketMultipartUploads", "GetBucketPolicy", "PutBucketPolicy"):
        assert not allowed([policy], f"s3:{other}", ARN, context)
    assert not allowed([policy], "s3:ListBucket", f"{ARN}-evil", context)


ECR = ("GetDownloadUrlForLayer", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")
NO_ECR = ("BatchDeleteImage", "DeleteRepository", "CreateRepository", "SetRepositoryPolicy", "PutImageTagMutability")


@pytest.mark.parametrize("who", ["acme", "acme-evil", "globex", "indexer", "purge"])
def test_a_lane_pushes_to_its_own_repositories(who: str) -> None:
    names = [f"lanes/{lane}/{kind}" for lane in ("acme", "acme-evil", "globex") for kind in ("images", "cache")]
    for name in [*names, "lanes/acme", "lanes/acme/else", "lanes", "ci", f"lanes/{who}/images/x"]:
        arn = f"arn:aws:ecr:us-east-1:123456789012:repository/{name}"
        own = name in (f"lanes/{who}/images", f"lanes/{who}/cache")
        assert [allowed([ROLES[who]["policy"]], f"ecr:{one}", arn) for one in ECR] == [own] * len(ECR)
        assert not any(allowed([ROLES[who]["policy"]], f"ecr:{one}", arn) for one in NO_ECR)
    elsewhere = "arn:aws:ecr:us-east-1:999999999999:repository/lanes/acme/images"
    assert not allowed([ROLES[who]["policy"]], "ecr:PutImage", elsewhere)


@pytest.mark.parametrize("who", EVERYBODY)
def test_no_role_may_do_anything_to_roles_or_to_the_bucket(who: str) -> None:
    policy = ROLES[who]["policy"]
    for action in ("iam:PassRole", "iam:PutRolePolicy", "sts:AssumeRole", "s3:DeleteBucket", "s3:PutBucketVersioning"):
        assert not allowed([policy], action, "*")
        assert not allowed([policy], action, ARN)


def test_a_new_vendor_changes_nothing_of_the_others() -> None:
    """And nothing in the policy of the bucket, which has a limit of 20 KiB (Amazon S3, "Bucket policies")."""
    before, after = rendered(), rendered(f"{LANES}  hooli: hooli/torch-hooli@5\n")
    assert set(_names(after)) - set(_names(before)) == {"wheels-lane-hooli"}
    assert [one for one in after.roles if one.name in _names(before)] == list(before.roles)
    assert after.bucket_policy == before.bucket_policy


def _names(estate: Any) -> list[str]:
    return [one.name for one in estate.roles]


@pytest.mark.parametrize("who", ["acme", "acme-evil", "globex", "initech"])
def test_a_lane_reads_which_names_are_taken_in_its_own_channels(who: str) -> None:
    readable = [lane for lane in ("acme", "acme-evil", "globex") if may(who, "GetObject", f"state/{lane}/stable.json")]
    assert readable == ([] if who == "initech" else [who])
    assert not may(who, "PutObject", f"state/{who}/stable.json", **NEW)
