"""Tags at ECR, one by one and dated, asked of a stand-in of its API over HTTP, boto3 in front."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from imageyard.catalogue import expand
from imageyard.errors import Transient
from imageyard.keep.cache_clean import CacheCleanRequest, clean
from imageyard.names import Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.registry.client import Client
from imageyard.registry.vendors.ecr_tags import pushed, untag
from support.aws.moto import moto_in_reach
from support.services import services


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reference]:
    name = f"cache-{uuid4().hex[:12]}"
    with moto_in_reach(monkeypatch):
        boto3.client("ecr", region_name="us-east-1").create_repository(repositoryName=name)
        yield Reference("123456789012.dkr.ecr.us-east-1.amazonaws.com", name)


def put(repository: Reference, tag: str, note: str) -> None:
    """A tag over a manifest that the note makes one of its own."""
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "annotations": {"note": note}}
    boto3.client("ecr", region_name="us-east-1").put_image(
        repositoryName=repository.repository,
        imageTag=tag,
        imageManifest=json.dumps(body),
        imageManifestMediaType=OCI_MANIFEST,
    )


def tags(repository: Reference) -> set[str]:
    listed = boto3.client("ecr", region_name="us-east-1").list_images(repositoryName=repository.repository)["imageIds"]
    return {one["imageTag"] for one in listed if "imageTag" in one}


def test_a_tag_goes_alone(repository: Reference) -> None:
    put(repository, "linux-a-amd64-pr-1", "same")
    put(repository, "linux-a-amd64-main", "same")
    assert untag(repository, ["linux-a-amd64-pr-1"]) == {}
    assert tags(repository) == {"linux-a-amd64-main"}, "another tag of the same manifest stays"
    assert untag(repository, ["linux-a-amd64-pr-1"]) == {}, "what is gone is no failure"


def test_more_than_one_call_takes(repository: Reference) -> None:
    names = [f"linux-a-amd64-pr-{number}" for number in range(1, 131)]
    for name in names:
        put(repository, name, name)
    put(repository, "linux-a-amd64-main", "main")
    assert untag(repository, names) == {}
    assert tags(repository) == {"linux-a-amd64-main"}


def test_when_it_was_pushed_is_known(repository: Reference) -> None:
    put(repository, "linux-a-amd64-pr-1", "one")
    (time,) = pushed(repository, ["linux-a-amd64-pr-1"]).values()
    assert abs(datetime.now(timezone.utc) - time) < timedelta(hours=1)
    assert pushed(repository, []) == {}


def test_no_answer_is_an_error(repository: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Transient, match="went away meanwhile"):
        pushed(repository, ["linux-a-amd64-pr-2"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Transient):
        untag(repository, ["linux-a-amd64-pr-1"])


def test_caches_at_ecr_go_tag_by_tag(repository: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There a manifest that is shared needs no care, and its age is known."""
    for scope in ("main", "pr-1", "pr-2"):
        put(repository, f"linux-a-amd64-{scope}", "the same steps")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    file = tmp_path / "images.yml"
    file.write_text(
        f"cache: {{branch: {repository}}}\n"
        "axes: {plain: {linux, a}}\n"
        "images: {a: {dockerfile: Dockerfile, arches: [amd64], names: {linux-a: }}}\n"
    )

    class Listing(Client):
        """The part of the registry that is not behind the API of AWS."""

        def tags(self, repository: Reference) -> tuple[str, ...]:
            return tuple(sorted(tags(repository)))

    catalogue = expand.load(file, tmp_path)
    wanted = CacheCleanRequest(age=timedelta(days=7), open_pulls={2})
    now = datetime.now(timezone.utc)
    clean(catalogue, services(Listing()), wanted, yes=True, as_json=True, now=now)
    assert "it is 0 h old" in capsys.readouterr().out
    assert len(tags(repository)) == 3
    clean(catalogue, services(Listing()), wanted, yes=True, as_json=True, now=now + timedelta(days=8))
    found = {one["tag"]: one["removed"] for one in json.loads(capsys.readouterr().out)}
    assert found == {"linux-a-amd64-main": False, "linux-a-amd64-pr-1": True, "linux-a-amd64-pr-2": False}
    assert tags(repository) == {"linux-a-amd64-main", "linux-a-amd64-pr-2"}
