"""Lists of all manifests, tagged or not, as vendors' own APIs have them; and deletion by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import boto3
import pytest
from imageyard import aws
from imageyard.errors import Denied, Transient
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors import ecr_images, ghcr
from imageyard.registry.vendors.base import ListedManifest
from support.aws.moto import moto_in_reach
from support.github.served import GitHub, github

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reference]:
    name = f"images-{uuid4().hex[:12]}"
    with moto_in_reach(monkeypatch):
        boto3.client("ecr", region_name="us-east-1").create_repository(repositoryName=name)
        yield Reference(HOST, name)


def put(repository: Reference, tag: str) -> None:
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "annotations": {"note": tag}}
    boto3.client("ecr", region_name="us-east-1").put_image(
        repositoryName=repository.repository,
        imageTag=tag,
        imageDigest=digest_of(json.dumps(body).encode()),
        imageManifest=json.dumps(body),
        imageManifestMediaType=OCI_MANIFEST,
    )


def test_ecr_lists_all_with_their_times_and_deletes_by_digest(repository: Reference) -> None:
    for number in range(130):
        put(repository, f"tag-{number}")
    found = ecr_images.manifests(repository)
    assert len(found) == 130
    assert all(
        one.pushed is not None and abs(datetime.now(timezone.utc) - one.pushed) < timedelta(hours=1) for one in found
    )
    assert ecr_images.delete(repository, found[:120]) == {}
    assert {one.digest for one in ecr_images.manifests(repository)} == {one.digest for one in found[120:]}
    assert ecr_images.delete(repository, found[:1]) == {}, "what is gone is no failure"


def answering(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]) -> list[dict[str, Any]]:
    """Have AWS answer so, in turn; the questions."""
    asked: list[dict[str, Any]] = []
    left = list(answers)

    def call(service: str, operation: str, region: str, doing: str, **given: Any) -> dict[str, Any]:
        asked.append({"operation": operation, **given})
        return left.pop(0)

    monkeypatch.setattr(aws, "call", call)
    return asked


def test_ecr_says_what_is_archived_and_what_refers_to_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the form of botocore's model of DescribeImages; moto has neither."""
    time = datetime(2026, 1, 1, tzinfo=timezone.utc)
    one = {"imageDigest": DIGEST, "imageTags": ["t"], "imagePushedAt": time, "imageSizeInBytes": 7}
    archived = {**one, "imageStatus": "ARCHIVED", "lastArchivedAt": time, "lastRecordedPullTime": time}
    referrer = {"imageDigest": f"sha256:{'b' * 64}", "subjectManifestDigest": DIGEST, "imageStatus": "ACTIVE"}
    asked = answering(monkeypatch, {"imageDetails": [archived], "nextToken": "more"}, {"imageDetails": [referrer]})
    first, second = ecr_images.manifests(Reference(HOST, "ci"))
    assert first == ListedManifest(Digest(DIGEST), ("t",), time, time, 7, archived=True, archived_at=time)
    assert (second.subject, second.archived, second.pushed) == (DIGEST, False, None)
    assert asked[0]["filter"] == {"imageStatus": "ANY"}, "without it ECR leaves archived images out"
    assert asked[1]["nextToken"] == "more"
    answering(monkeypatch, *[{"imageDetails": [], "nextToken": "same"}] * 3)
    with pytest.raises(Transient, match="circles"):
        ecr_images.manifests(Reference(HOST, "ci"))


def test_ecr_says_what_it_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"imageId": {"imageDigest": DIGEST}, "failureCode": "ImageReferencedByManifestList"}
    answering(monkeypatch, {"failures": [failure]})
    assert ecr_images.delete(Reference(HOST, "ci"), [ListedManifest(Digest(DIGEST))]) == {
        DIGEST: "ImageReferencedByManifestList"
    }


def versions(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": f"sha256:{number:064x}",
            "created_at": "2026-01-01T00:00:00Z",
            "metadata": {"container": {"tags": [f"t{number}"] if number % 2 else []}},
        }
        for number in range(count)
    ]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with github() as found:
        monkeypatch.setattr(ghcr, "API", found.url)
        yield found


def client(hub: GitHub, token: str = "") -> Client:
    return Client(credentials=lambda _: Credential("acme", token or hub.token))


PACKAGE = "users/acme/packages/container/ci%2Fimages"


def test_ghcr_lists_versions_of_all_pages_and_deletes_by_their_number(hub: GitHub) -> None:
    hub.packages = {PACKAGE: {"name": "ci/images"}}
    hub.versions = {PACKAGE: versions(230)}
    place = Reference("ghcr.io", "acme/ci/images")
    found = client(hub).listed(place)
    assert found is not None
    assert [(one.digest, one.tags) for one in found[:2]] == [(f"sha256:{0:064x}", ()), (f"sha256:{1:064x}", ("t1",))]
    assert (len(found), found[0].pushed) == (230, datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert client(hub).delete_listed(place, found[:2]) == {}
    assert [one["id"] for one in hub.versions[PACKAGE]][:2] == [2, 3]


@pytest.mark.parametrize("broken", [{"id": 1}, {"id": 1, "name": "x", "created_at": "y", "metadata": {}}, "text"])
def test_half_a_list_of_ghcr_is_none(hub: GitHub, broken: Any) -> None:
    hub.packages = {PACKAGE: {"name": "ci/images"}}
    hub.versions = {PACKAGE: [*versions(3), broken]}
    with pytest.raises(Transient):
        client(hub).listed(Reference("ghcr.io", "acme/ci/images"))


def test_a_package_that_a_token_cannot_see_is_not_empty(hub: GitHub) -> None:
    with pytest.raises(Denied):
        client(hub).listed(Reference("ghcr.io", "acme/ci/images"))
    with pytest.raises(Denied):
        client(hub, "another token").listed(Reference("ghcr.io", "acme/ci/images"))


def test_other_registries_have_no_list() -> None:
    place = Reference("registry.example", "a/b")
    assert Client().listed(place) is None
    assert Client().delete_listed(place, []) is None
