"""Whether a tag at ECR can be moved, asked of a stand-in of its API over HTTP, boto3 in front."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from imageyard.errors import Denied, PolicyRefused, Transient
from imageyard.names import Reference
from imageyard.registry.vendors.ecr import refuse_immutable
from support.aws.moto import moto_in_reach

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with moto_in_reach(monkeypatch) as address:
        yield address


def target(repository: str, tag: str = "linux-a-00000000000000000000", host: str = HOST) -> Reference:
    return Reference(host, repository, tag)


def test_a_repository_that_holds_its_tags_is_refused_before_anything_is_sent(api: str) -> None:
    ecr = boto3.client("ecr", region_name="us-east-1")
    ecr.create_repository(repositoryName="fast", imageTagMutability="IMMUTABLE")
    ecr.create_repository(repositoryName="loose", imageTagMutability="MUTABLE")
    with pytest.raises(PolicyRefused, match="holds its tags fast") as refused:
        refuse_immutable(target("fast"))
    assert "raise `epoch`" in str(refused.value)
    assert refuse_immutable(target("loose")) is None
    assert refuse_immutable(target("not-there-yet")) is None


def test_other_registries_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert refuse_immutable(target("ci", host="ghcr.io")) is None


def test_no_answer_is_no_permission(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Transient, match="was not reached"):
        refuse_immutable(target("fast"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Denied, match="no AWS credentials"):
        refuse_immutable(target("fast"))
