"""The page at a bucket: its data before it, whole or as before, and what a backup in a bucket says of images."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from imageyard.bucket.store import BucketStore
from imageyard.errors import Denied, NotFound
from imageyard.keep.backup_copy import copy_whole
from imageyard.keep.bucket_section import bucket_of as bucket_of_section
from imageyard.keep.static_site import write_files
from imageyard.keep.write_page import write_page
from imageyard.names import Digest
from imageyard.project.page_files import DATA, FILES, HTML
from imageyard.registry.store import RegistryStore
from support.aws.bucket import KEYS, REGION, StrictS3, bucket_of
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.git import commit_all, sh
from support.registry.memory import MemoryRegistry
from support.registry.served import put_image

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
IMAGES = "ci/image"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def section(s3: StrictS3, name: str, prefix: str = "ci") -> str:
    return f"{{bucket: {name}, prefix: {prefix}, region: {REGION}, endpoint: 'http://{s3.host}'}}"


def scene(top: Path, registry: MemoryRegistry, sections: str) -> Workplace:
    """A checkout, and two images at the registry."""
    made = scene_of(top, registry.client(), **{"images.yml": f"{CATALOGUE}{sections}"})
    commit_all(top)
    sh(top, "branch", "-M", "main")
    client, place = registry.client(), registry.reference(IMAGES)
    for tag in ("linux-base", "theirs"):
        raw = client.get(place.with_digest(put_image(client, place, note=tag)))
        client.put(place.with_tag(tag), raw.body, raw.media_type)
    return made


def test_the_data_comes_first_and_both_say_what_they_are(tmp_path: Path, s3: StrictS3) -> None:
    s3.create("site")
    registry = MemoryRegistry()
    made = scene(tmp_path, registry, f"page: {section(s3, 'site', 'ci/page')}\n")
    asked: list[str] = []
    own = s3.own
    s3.own = lambda handler, body: (asked.append(f"{handler.command} {handler.path}"), own(handler, body))[1]  # type: ignore[method-assign]
    try:
        assert write_page(made.project, made.services, None, NOW) == "s3://site/ci/page"
    finally:
        del s3.own  # type: ignore[method-assign]
    assert asked == [f"PUT /site/ci/page/{file}" for file in (DATA, HTML)]
    objects = s3.objects("site")
    assert set(objects) == {f"ci/page/{file}" for file in FILES}
    assert {one["tags"][0] for one in json.loads(objects[f"ci/page/{DATA}"])["images"]} == {"linux-base", "theirs"}
    types = {file: s3.client().head_object(Bucket="site", Key=f"ci/page/{file}")["ContentType"] for file in FILES}
    assert types == {DATA: "application/json", HTML: "text/html; charset=utf-8"}


def test_a_page_that_was_there_is_replaced(tmp_path: Path, s3: StrictS3) -> None:
    s3.create("again")
    registry = MemoryRegistry()
    made = scene(tmp_path, registry, f"page: {section(s3, 'again')}\n")
    write_page(made.project, made.services, None, NOW)
    before = s3.objects("again")
    client, place = registry.client(), registry.reference(IMAGES)
    raw = client.get(place.with_digest(put_image(client, place, note="third")))
    client.put(place.with_tag("third"), raw.body, raw.media_type)
    write_page(made.project, made.services, None, NOW)
    after = s3.objects("again")
    assert after.keys() == before.keys()
    assert all(after[key] != before[key] for key in after)


def test_what_cannot_be_written_leaves_the_page_that_is_there() -> None:
    class Full:
        name = "a place"

        def __init__(self) -> None:
            self.files: dict[str, bytes] = {HTML: b"old"}

        def put(self, file: str, body: bytes) -> None:
            if self.files.keys() == {HTML}:
                raise Denied("no more")
            self.files[file] = body

    site = Full()
    with pytest.raises(Denied):
        write_files(site, {HTML: b"new", DATA: b"new"})
    assert site.files == {HTML: b"old"}


def back_up(made: Workplace, registry: MemoryRegistry, s3: StrictS3, bucket: str, tag: str) -> None:
    place = registry.reference(IMAGES)
    target = BucketStore(bucket_of(s3, bucket, "ci"), place.name)
    raw = copy_whole(RegistryStore(registry.client(), place), target, Digest(registry.tags(IMAGES)[tag]))
    target.put_manifest(raw, tag)


def shown(made: Workplace, tmp_path: Path) -> dict[str, Any]:
    """What the page says of backups, by tag."""
    write_page(made.project, made.services, str(tmp_path / "site"), NOW)
    return backups(tmp_path)


def backups(tmp_path: Path) -> dict[str, Any]:
    found = json.loads((tmp_path / "site" / DATA).read_text())["images"]
    return {one["tags"][0]: one["backed_up"] for one in found}


def test_an_image_has_a_backup_when_the_bucket_has_all_of_it(tmp_path: Path, s3: StrictS3) -> None:
    s3.create("kept")
    registry = MemoryRegistry()
    made = scene(tmp_path, registry, f"backup: {section(s3, 'kept')}\n")
    assert shown(made, tmp_path) == {"linux-base": False, "theirs": False}
    back_up(made, registry, s3, "kept", "theirs")
    assert shown(made, tmp_path) == {"linux-base": False, "theirs": True}
    found = json.loads((tmp_path / "site" / DATA).read_text())["images"]
    assert {one["saved"][:2] for one in found} == {"", "20"}
    blob = next(key for key in s3.objects("kept") if key.startswith("ci/blobs/"))
    s3.client().delete_object(Bucket="kept", Key=blob)
    assert shown(made, tmp_path) == {"linux-base": False, "theirs": False}


def test_a_bucket_that_cannot_be_read_is_told_and_the_page_is_there(tmp_path: Path, s3: StrictS3) -> None:
    registry = MemoryRegistry()
    made = scene(tmp_path, registry, f"backup: {section(s3, 'never-there')}\n")
    with pytest.raises(NotFound):
        shown(made, tmp_path)
    assert backups(tmp_path) == {"linux-base": None, "theirs": None}
    assert json.loads((tmp_path / "site" / DATA).read_text())["troubles"][0].startswith("which images have a backup")


def test_a_section_names_its_bucket(tmp_path: Path, s3: StrictS3) -> None:
    made = scene(tmp_path, MemoryRegistry(), "")
    settings = {"bucket": "named", "prefix": "a/b", "region": REGION, "endpoint": f"http://{s3.host}"}
    assert bucket_of_section(settings, made.services).name == "s3://named/a/b"
