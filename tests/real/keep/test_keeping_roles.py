"""The roles that keep images, on objects, judged by moto with IAM in force: retention and recovery write no bucket.

moto 5.2 judges the role's policy by action and by the ARN of an object, and nothing at ECR (tried: every role could
delete images there). Trust policies and repositories are read off the policies by the evaluator in tests/unit/access.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from imageyard.access.aws_policies import keeping_policies
from imageyard.catalogue import expand
from support.aws.served import ACCOUNT, REGION, Aws, served
from support.aws.trust import trust_in
from support.lanes.matrix import ACTIONS, matrix

SAVED, SITE = "acme-saved", "acme-site"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
CATALOGUE = f"""\
registry: {{trusted: {ECR}/ci, branch: {ECR}/ci-branch}}
ecr:
  region: {REGION}
  role: {{trusted: "arn:aws:iam::{ACCOUNT}:role/trusted", branch: "arn:aws:iam::{ACCOUNT}:role/branch"}}
backup: {{bucket: {SAVED}, prefix: ci, region: {REGION}}}
page: {{bucket: {SITE}, prefix: images, region: {REGION}}}
images: {{a: {{dockerfile: Dockerfile, arches: [amd64], names: {{plain: }}}}}}
axes: {{plain: {{plain}}}}
"""
ROLES = ("retention", "backup", "recovery", "page")
PLACES = [
    (SAVED, "ci/blobs/sha256/00"),
    (SAVED, "ci/index.json"),
    (SAVED, "ci-else/blobs/sha256/00"),
    (SAVED, "blobs"),
    (SITE, "images/index.html"),
    (SITE, "images-else/index.html"),
    (SITE, "index.html"),
]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """S3 by a session of each role, which has its rendered policy."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images.yml").write_text(CATALOGUE)
    policies = keeping_policies(expand.load(folder / "images.yml", folder), "aws")
    with served("127.0.0.1:9") as aws:  # no registry is asked here
        for bucket in (SAVED, SITE):
            aws.client("s3").create_bucket(Bucket=bucket)
        for bucket, key in PLACES:
            aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"old")
        yield {role: _client(aws, role, policies[role]) for role in ROLES}


def _client(aws: Aws, role: str, policy: Mapping[str, Any]) -> Any:
    arn = aws.role(role, policy, trust_in("user/admin"))
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="tests")["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    session = boto3.session.Session(*keys, region_name=REGION)
    once = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    return session.client("s3", endpoint_url=aws.client("s3").meta.endpoint_url, config=once)


def test_who_may_do_what_to_which_object(clients: Mapping[str, Any]) -> None:
    """Letters as in `support.lanes.matrix`: c creates or replaces, r reads, d deletes; retention and recovery read."""
    table = matrix(clients, PLACES, SAVED)
    rows = [line.split() for line in table.partition("\n\n")[2].splitlines()[1:]]
    found = {row[0]: dict(zip(ROLES, row[-len(ROLES) :], strict=True)) for row in rows}
    saved = {"retention": "rh", "backup": "cmpfalrhd", "recovery": "rh", "page": "rh"}
    nothing = dict.fromkeys(ROLES, ".")
    assert found == {
        "ci/blobs/sha256/00": saved,
        "ci/index.json": saved,
        "ci-else/blobs/sha256/00": nothing,
        "blobs": nothing,
        "images/index.html": {**nothing, "page": "cmpf"},
        "images-else/index.html": nothing,
        "index.html": nothing,
    }
    assert set("cmpfalrhd") <= ACTIONS.keys()
