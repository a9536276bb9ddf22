"""What is decided of backups without a bucket: what goes, which tags are cosign's, which tags are wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.bucket.entries import TagEntry
from imageyard.bucket.objects import ObjectEntry
from imageyard.keep.backup import content_tags
from imageyard.keep.backup_copy import companions
from imageyard.keep.backup_expiry import judge
from imageyard.keep.backup_index import Generation
from imageyard.names import Digest
from imageyard.oci.revocation import marker_tag
from support.building.checkout import scene_of

NOW = datetime(2026, 11, 28, tzinfo=timezone.utc)
ONE, TWO = (Digest(f"sha256:{letter * 64}") for letter in "ab")


def entry(tag: str, days: int, *blobs: Digest) -> TagEntry:
    saved = (NOW - timedelta(days=days)).isoformat()
    return TagEntry("r.test/ci", tag, ONE, "application/json", 1, saved, (ONE,), blobs)


def test_an_object_goes_when_no_document_that_is_kept_names_it() -> None:
    tags = [entry("old", 31, ONE, TWO), entry("young", 29, TWO)]
    generations = [Generation("2026-W44", tags[0].saved, (tags[0],))]
    keys = [f"blobs/sha256/{'a' * 64}", f"blobs/sha256/{'b' * 64}", f"manifests/sha256/{'a' * 64}", "blobs/sha256/new"]
    ages = (90, 90, 90, 0)
    objects = [ObjectEntry(key, 1, NOW - timedelta(days=age)) for key, age in zip(keys, ages, strict=True)]
    items = judge(tags, generations, objects, timedelta(days=30), NOW)
    assert [item.key for item in items if item.goes] == [
        "tags/r.test/ci/old.json",
        "generations/2026-W44.json",
        keys[0],
    ]
    reasons = {item.key: item.reason for item in items}
    assert reasons[keys[1]] == "needed by tags/r.test/ci/young.json"
    assert reasons[keys[3]] == "written a short while ago"


@pytest.mark.parametrize("saved", [29, 31], ids=["its image stays", "its image goes too"])
def test_a_revocation_stays_while_a_document_that_stays_has_its_image(saved: int) -> None:
    """It was saved when its image was none of the backup's, so that no generation has it, and is not saved anew."""
    image = entry("linux-base", 60)
    marker = replace(entry(marker_tag(ONE), 60), digest=TWO, manifests=(TWO,))
    elsewhere = replace(marker, repository="r.test/other")
    stranger = replace(marker, tag=marker_tag(TWO))
    week = Generation("2026-W44", entry("", saved).saved, (image,))
    parts = [ObjectEntry(f"manifests/sha256/{letter * 64}", 1, NOW - timedelta(days=90)) for letter in "ab"]
    items = judge([image, marker, elsewhere, stranger], [week], parts, timedelta(days=30), NOW)
    assert [item.key for item in items].index("generations/2026-W44.json") == 1, "and revocations go after images"
    stays = {item.key for item in items if not item.goes}
    assert stays == (
        {"generations/2026-W44.json", f"tags/r.test/ci/{marker.tag}.json", *(part.key for part in parts)}
        if saved == 29
        else set()
    )


@pytest.mark.parametrize(
    ("tag", "belongs"),
    [
        (f"sha256-{'a' * 64}.sig", True),
        (f"sha256-{'a' * 64}.att", True),
        (f"sha256-{'b' * 64}.sig", False),
        (f"sha256-{'a' * 64}", False),
        ("linux-base", False),
    ],
)
def test_a_tag_of_cosign_belongs_to_the_manifest_that_it_names(tag: str, belongs: bool) -> None:
    assert companions([tag], [ONE]) == [tag] * belongs


def test_the_tags_of_the_rows_come_before_that_of_the_image(tmp_path: Path) -> None:
    work = scene_of(tmp_path)
    tags = content_tags(work.project, work.recipes, "linux-base")
    rows = [work.facts("linux-base", arch).tag for arch in ("amd64", "arm64")]
    assert set(tags) == {*rows, work.recipes.index_tag(work.project.catalogue.images["linux-base"])}
    assert set(tags.values()) == {"linux-base"}
