"""Every role against every action on every object, judged by moto with IAM in force: `tests/golden/lanes/matrix.txt`.

What moto 5.2 judges (its `iam/access_control.py` and `s3/responses.py`, read and tried): the role's policy, by action
and by the ARN of the object. What it does not, `tests/unit/lanes` reads off the rendered policies: it evaluates no
condition of a bucket's policy and takes a Deny for one without, so that policy is judged by `support.lanes.judged`,
in front of moto here; trust policies, prefixes of listings, tags and repositories of images it does not judge either.
It does honour `If-None-Match: *`, on PutObject and on CompleteMultipartUpload.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from support.aws.served import REGION, Aws, served
from support.aws.trust import EVERYTHING, trust_in
from support.lanes.catalogues import BUCKET, rendered
from support.lanes.judged import JudgedS3
from support.lanes.matrix import matrix
from support.registry.faults import running

GOLDEN = Path(__file__).parents[2] / "golden" / "lanes" / "matrix.txt"
TWIN = f"{BUCKET}-evil"
KEYS = [
    "files/acme/f",
    "files/acme/nightly/f",
    "files/acme/stable/f",
    "files/acme/nightly",
    "files/acme/nightly-/f",
    "files/acme-evil/stable/f",
    "files/globex/stable/f",
    "files/initech/stable/f",
    "files/acme",
    "files/acme-",
    "files/f",
    "files/ACME/stable/f",
    "files/acme/../acme-evil/stable/f",
    "files/acme/stable/../../acme-evil/stable/f",
    "files/acme-evil/../acme/stable/f",
    "files/../files/acme/stable/f",
    "files/acme%2fstable%2ff",
    "files/acme%2f..%2facme-evil%2fstable%2ff",
    "files/acme-evil%2f../acme/stable/f",
    "requests/acme/r",
    "requests/acme-evil/r",
    "requests/acme.json",
    "index/acme/index.html",
    "index/files/acme/f",
    "log/1.json",
    "state/acme/stable.json",
    "acme/f",
    "f",
]
ARNS: dict[str, str] = {}
"""The roles of sessions, by access key id."""
ROLES = {role.name.removeprefix("wheels-").removeprefix("lane-"): role for role in rendered().roles}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with served("127.0.0.1:9") as account:  # no registry is asked here
        for bucket in (BUCKET, TWIN):
            account.client("s3").create_bucket(Bucket=bucket)
        yield account


def client_of(aws: Aws, who: str, endpoint: str | None = None) -> Any:
    """S3 by a session of a role that has the rendered policy."""
    role = ROLES.get(who)
    arn = aws.role(role.name if role else who, role.policy if role else EVERYTHING, trust_in("user/admin"))
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="tests")["Credentials"]
    ARNS[given["AccessKeyId"]] = arn
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    once = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    session = boto3.session.Session(*keys, region_name=REGION)
    return session.client("s3", endpoint_url=endpoint or aws.client("s3").meta.endpoint_url, config=once)


def judged(aws: Aws) -> JudgedS3:
    """Moto behind the rendered policy of the bucket."""
    return JudgedS3(urlsplit(aws.client("s3").meta.endpoint_url).netloc, rendered().bucket_policy or {}, ARNS)


def test_the_matrix(aws: Aws) -> None:
    admin = aws.client("s3")
    for key in KEYS:
        admin.put_object(Bucket=BUCKET, Key=key, Body=b"old")
    clients = {who: client_of(aws, who) for who in ROLES}
    places = [*((BUCKET, key) for key in KEYS), *((TWIN, key) for key in ("files/acme/stable/f", "requests/acme/r"))]
    found = matrix(clients, places, BUCKET)
    if os.environ.get("IMAGEYARD_GOLDEN") == "write":
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def cells() -> Mapping[str, Mapping[str, str]]:
    """The golden table: by key, what each role may do."""
    head, *rows = GOLDEN.read_text().partition("\n\n")[2].splitlines()
    return {row.split("  ")[0]: dict(zip(head.split(), row.split()[-len(ROLES) :], strict=True)) for row in rows}


@pytest.mark.parametrize("who", ["acme", "acme-evil", "globex", "initech"])
def test_the_matrix_says_what_it_should(who: str) -> None:
    """A table that somebody wrote anew without reading it is not right for that."""
    own = () if who == "initech" else (f"files/{who}/nightly/", f"files/{who}/stable/", f"requests/{who}/")
    readable = () if who == "initech" else (f"files/{who}/", f"state/{who}/")
    for key, row in cells().items():
        read = "rh" if key.startswith(readable) and " in " not in key else "."
        assert row[who] == ("cmpfalrh" if key.startswith(own) and " in " not in key else read), key
    assert len(cells()) == len(KEYS) + 2


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**given)
    return str(error.value.response["Error"]["Code"])


def upload(s3: Any, key: str, **condition: str) -> object:
    """An upload in parts."""
    at = {"Bucket": BUCKET, "Key": key}
    number = s3.create_multipart_upload(**at)["UploadId"]
    tag = s3.upload_part(**at, UploadId=number, PartNumber=1, Body=b"whole")["ETag"]
    parts = {"Parts": [{"ETag": tag, "PartNumber": 1}]}
    return s3.complete_multipart_upload(**at, UploadId=number, MultipartUpload=parts, **condition)


def test_a_second_upload_under_a_name_is_refused_by_the_bucket(aws: Aws) -> None:
    """With the header by S3 itself, 412; without it by the bucket's policy, 403, administrators included."""
    admin = aws.client("s3")
    with running(judged(aws)) as gate:
        acme = client_of(aws, "acme", f"http://{gate.host}")
        root = client_of(aws, "administrator", f"http://{gate.host}")
        file = {"Bucket": BUCKET, "Key": "files/acme/stable/one.whl"}
        assert refused(acme.put_object, **file, Body=b"first") == "AccessDenied", "no header, and nothing is there"
        for unread in ({"StorageClass": "GLACIER"}, {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}):
            assert refused(acme.put_object, **file, Body=b"first", IfNoneMatch="*", **unread) == "AccessDenied"
            assert refused(acme.create_multipart_upload, **file, **unread) == "AccessDenied"
        acme.put_object(**file, Body=b"first", IfNoneMatch="*")
        assert refused(acme.put_object, **file, Body=b"second", IfNoneMatch="*") == "PreconditionFailed"
        for who in (acme, root):
            assert refused(who.put_object, **file, Body=b"second") == "AccessDenied"
            assert refused(upload, s3=who, key=file["Key"]) == "AccessDenied"
            assert refused(upload, s3=who, key=file["Key"], IfNoneMatch="*") == "PreconditionFailed"
            assert refused(who.copy_object, **file, CopySource=file) == "AccessDenied"
            assert refused(who.delete_object, **file) == "AccessDenied"
        assert admin.get_object(**file)["Body"].read() == b"first"
        upload(acme, "files/acme/stable/parts.whl", IfNoneMatch="*")
        assert admin.get_object(Bucket=BUCKET, Key="files/acme/stable/parts.whl")["Body"].read() == b"whole"


def test_the_indexer_replaces_indexes_and_no_file(aws: Aws) -> None:
    with running(judged(aws)) as gate:
        indexer = client_of(aws, "indexer", f"http://{gate.host}")
        page = {"Bucket": BUCKET, "Key": "index/acme/stable/index.html"}
        for body in (b"one", b"two"):
            indexer.put_object(**page, Body=body)
        assert indexer.get_object(**page)["Body"].read() == b"two"
        assert refused(client_of(aws, "administrator", f"http://{gate.host}").put_object, **page) == "AccessDenied"
        for condition in ({}, {"IfNoneMatch": "*"}):
            file = {"Bucket": BUCKET, "Key": "files/acme/stable/forged.whl"}
            assert refused(indexer.put_object, **file, Body=b"x", **condition) == "AccessDenied"
        log = {"Bucket": BUCKET, "Key": "log/1"}
        root = client_of(aws, "administrator", f"http://{gate.host}")
        assert refused(root.put_object, **log, Body=b"x", IfNoneMatch="*") == "AccessDenied"
        indexer.put_object(**log, Body=b"x", IfNoneMatch="*")
        assert refused(indexer.put_object, **log, Body=b"y") == "AccessDenied"
        assert refused(indexer.put_object, **log, Body=b"y", IfNoneMatch="*") == "PreconditionFailed"
