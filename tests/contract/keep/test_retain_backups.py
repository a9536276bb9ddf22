"""Images whose class needs a backup go when the bucket has them whole, and stay for as long as nobody can say so."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.bucket.store import BucketStore
from imageyard.errors import ConfigurationError, NotFound
from imageyard.keep.backup_copy import copy_whole
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Digest
from imageyard.registry.store import RegistryStore
from support.aws.bucket import KEYS, REGION, StrictS3, bucket_of
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.git import commit_all, sh
from support.registry.memory import MemoryRegistry
from support.registry.served import put_image

REPOSITORY = "ci/image"
OLD = f"linux-base-{'0' * 20}"
FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
LATER = FIRST + timedelta(days=400)


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


def scene(top: Path, registry: MemoryRegistry, backup: str) -> Workplace:
    """A checkout whose content may go with a backup only, and an old image that nothing else keeps."""
    text = f"{CATALOGUE}retention: {{share: 100%, backed_up: [content]}}\n{backup}"
    made = scene_of(top, registry.client(), **{"images.yml": text})
    commit_all(top)
    sh(top, "branch", "-M", "main")
    client, place = registry.client(), registry.reference(REPOSITORY)
    raw = client.get(place.with_digest(put_image(client, place, note="old")))
    client.put(place.with_tag(OLD), raw.body, raw.media_type)
    retain(made.project, made.services, RetainRequest(), FIRST)  # its age is counted from the first time it is seen
    return made


def section(s3: StrictS3, name: str) -> str:
    return f"backup: {{bucket: {name}, prefix: ci, region: {REGION}, endpoint: 'http://{s3.host}'}}\n"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def run(made: Workplace) -> None:
    retain(made.project, made.services, RetainRequest(yes=True), LATER)


def test_what_has_no_backup_stays_and_what_has_one_goes(tmp_path: Path, s3: StrictS3, registry: MemoryRegistry) -> None:
    s3.create("saved")
    made = scene(tmp_path, registry, section(s3, "saved"))
    run(made)
    assert OLD in registry.tags(REPOSITORY)

    place = registry.reference(REPOSITORY)
    target = BucketStore(bucket_of(s3, "saved", "ci"), place.name)
    raw = copy_whole(RegistryStore(registry.client(), place), target, Digest(registry.tags(REPOSITORY)[OLD]))
    target.put_manifest(raw, OLD)
    run(made)
    assert OLD not in registry.tags(REPOSITORY)


def test_a_bucket_that_cannot_be_read_keeps_all_and_is_told(
    tmp_path: Path, s3: StrictS3, registry: MemoryRegistry
) -> None:
    s3.create("gone")
    made = scene(tmp_path, registry, section(s3, "gone"))
    changed = (tmp_path / "images.yml").read_text().replace("bucket: gone", "bucket: never-there")
    (tmp_path / "images.yml").write_text(changed)
    made = scene_of(tmp_path, registry.client(), **{"images.yml": changed})
    report = tmp_path / "report.json"
    with pytest.raises(NotFound, match="NoSuchBucket"):
        retain(made.project, made.services, RetainRequest(yes=True, report=report), LATER)
    assert OLD in registry.tags(REPOSITORY)
    judged = json.loads(report.read_text())["repositories"]
    reasons = {one["reason"] for repository in judged for one in repository["items"]}
    assert "NO_BACKUP" in reasons, "the repositories are judged all the same"


def test_without_a_bucket_the_demand_cannot_be_met(tmp_path: Path, registry: MemoryRegistry) -> None:
    with pytest.raises(ConfigurationError, match="names no bucket for backups"):
        scene(tmp_path, registry, "")
