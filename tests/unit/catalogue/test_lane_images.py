"""Images of lanes: who may start from whom, and what a catalogue is for runs of one lane, or of none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from imageyard.catalogue import expand, text
from imageyard.catalogue.lane_images import in_lane
from imageyard.catalogue.model import Catalogue, Registry
from imageyard.errors import ConfigurationError
from imageyard.lanes.document import parse
from support.lanes.catalogues import with_images

LANES = with_images(
    "registry.test/lanes", "acme: acme-ai/torch-acme@812345678", "acme-evil: acme-evil/torch-acme-evil@812345679"
).replace("us-east-1", "eu-central-1")
TOP = """\
registry: {trusted: registry.test/ci/image, branch: registry.test/ci/branch}
mirrors: [mirror.test/ci]
cache: {trusted: registry.test/cache, branch: registry.test/cache-branch}
ecr: {role: "arn:aws:iam::123456789012:role/ci", region: us-east-1, create: yes, duration: 30m}
backup: {bucket: copies, prefix: ci, role: "arn:aws:iam::123456789012:role/backup"}
page: {bucket: site}
builders: {depot: {trusted: abc123, branch: def456}}
"""


def catalogue(images: str, lanes: str | None = LANES, top: str = TOP) -> Catalogue:
    """A catalogue whose families are `images`, and a catalogue of lanes beside it."""
    words = "axes: {plain: {linux, base, ours, vendor, other, top}}\n"
    root = text.parse(f"{top}{words}defaults: {{dockerfile: D}}\nimages:\n{images}")
    return expand.expand(root, lanes=lambda: text.parse(lanes or "", "lanes.yml", begin="bucket:")).catalogue


def family(name: str, lane: str | None = None, base: str | None = None) -> str:
    said = {"lane": lane, "args": f'{{BASE: "image:linux-{base}"}}' if base else None}
    fields = "".join(f"{key}: {value}, " for key, value in said.items() if value)
    return f"  {name}: {{{fields}names: {{linux-{name}: }}}}\n"


@pytest.mark.parametrize(
    ("child", "parent", "words"),
    [
        (None, None, ""),
        ("acme", None, ""),
        ("acme", "acme", ""),
        (None, "acme", "linux-top is of no lane, and starts from linux-base of the lane acme"),
        ("acme-evil", "acme", "linux-top is of the lane acme-evil, and starts from linux-base of the lane acme"),
        ("acme", "acme-evil", "linux-top is of the lane acme, and starts from linux-base of the lane acme-evil"),
    ],
)
def test_who_may_start_from_whom(child: str | None, parent: str | None, words: str) -> None:
    images = family("base", parent) + family("top", child, "base")
    if not words:
        assert len(catalogue(images).rows) == 2
        return
    with pytest.raises(ConfigurationError) as refused:
        catalogue(images)
    assert refused.value.headline == words
    assert str(refused.value.at).startswith("images.yml:12:"), "the line that says so"


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ('args: {BASE: "registry.test/lanes/acme/images:tag"}', True),
        ('contexts: {c: "docker-image://registry.test/lanes/acme/images@sha256:' + 64 * "0" + '"}', True),
        ('lane: acme-evil, args: {BASE: "registry.test/lanes/acme/images:tag"}', True),
        ('lane: acme, args: {BASE: "registry.test/lanes/acme/images:tag"}', False),
        ('args: {BASE: "registry.test/lanes-of-others/acme/images:tag"}', False),
        ('args: {BASE: "registry.test/lanes"}', False),
    ],
)
def test_an_image_that_names_a_repository_of_a_lane(said: str, refused: bool) -> None:
    images = f"{family('vendor', 'acme')}  top: {{{said}, names: {{linux-top: }}}}\n"
    if not refused:
        assert len(catalogue(images).rows) == 2
        return
    with pytest.raises(ConfigurationError, match=r"linux-top names registry\.test/lanes/acme/images") as told:
        catalogue(images)
    assert str(told.value.at).startswith("images.yml:12:")


@pytest.mark.parametrize(
    ("lane", "lanes", "headline", "where"),
    [
        ("acme-evli", LANES, "there is no lane 'acme-evli' in lanes.yml", "images.yml:"),
        ("acme", LANES.replace("images: registry.test/lanes\n", ""), "images of lanes need `images`", "lanes.yml:1"),
        ("acme", LANES.replace("registry.test/lanes", "lanes"), "'lanes' has no host", "lanes.yml:9"),
        ("acme", LANES.replace("roles: wheels", "roles: [a]"), "images of lanes need `roles`", "lanes.yml:4"),
        ("ac me", LANES, "'ac me' is not the name of a lane", "images.yml:"),
        ("acme_x", LANES, "'acme_x' is not the name of a lane", "images.yml:"),
    ],
)
def test_a_lane_that_cannot_be_meant(lane: str, lanes: str, headline: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        catalogue(family("base", lane), lanes)
    assert refused.value.headline == headline
    assert str(refused.value.at).startswith(where)


def test_there_is_one_place_for_lanes() -> None:
    with pytest.raises(ConfigurationError, match="lanes are not declared here") as refused:
        catalogue(family("base"), top="lanes: {acme: {registry: registry.test/acme}}\n")
    assert str(refused.value.at) == "images.yml:1:1"
    assert "lanes.yml" in str(refused.value.hint)


def test_nobody_reads_the_catalogue_of_lanes_where_no_image_is_of_one() -> None:
    assert catalogue(family("base"), lanes=None).lanes == {}


IMAGES = "".join(
    (
        family("base"),
        family("ours", None, "base"),
        family("vendor", "acme", "base"),
        family("top", "acme", "vendor"),
        family("other", "acme-evil"),
    )
)


@pytest.mark.parametrize(
    ("lane", "rows", "own", "elsewhere"),
    [
        (None, "base ours", "base ours", {"acme": 2, "acme-evil": 1}),
        ("acme", "base vendor top", "vendor top", {"acme-evil": 1}),
        ("acme-evil", "other", "other", {"acme": 2}),
    ],
)
def test_the_rows_of_a_lane_and_what_they_start_from(
    lane: str | None, rows: str, own: str, elsewhere: dict[str, int]
) -> None:
    found = in_lane(catalogue(IMAGES), lane)
    assert [row.name.removeprefix("linux-") for row in found.rows] == rows.split()
    assert {name.removeprefix("linux-") for name in found.images} == set(rows.split())
    assert [name.removeprefix("linux-") for name in found.own_images] == own.split()
    assert found.lanes_elsewhere == elsewhere


def test_a_run_of_no_lane_writes_where_it_always_did() -> None:
    whole = catalogue(IMAGES)
    alone = catalogue(family("base") + family("ours", None, "base"))
    found = in_lane(whole, None)
    plain = replace(found, lanes={}, elsewhere={})
    assert replace(alone, mentioned=found.mentioned) == plain


def test_a_run_of_a_lane_writes_to_no_place_of_others() -> None:
    whole = catalogue(IMAGES)
    found = in_lane(whole, "acme")
    lane = parse(LANES).lane("acme")
    assert found.registry == Registry("registry.test/lanes/acme/images", "registry.test/lanes/acme/images")
    assert found.main == whole.registry
    assert found.mirrors == ()
    assert found.builders.sections == {}
    wanted: dict[str, Any] = {
        "cache": {"trusted": "registry.test/lanes/acme/cache", "branch": "registry.test/lanes/acme/cache"},
        "ecr": {
            "role": "arn:aws:iam::123456789012:role/wheels-lane-acme",
            "region": "eu-central-1",
            "create": False,
            "duration": 1800,
        },
        "backup": {"bucket": "copies", "prefix": "ci/lanes/acme"},
        "page": {"bucket": "site", "prefix": "lanes/acme"},
    }
    assert found.settings == wanted
    document = parse(LANES)
    assert found.registry == Registry(*[str(document.image_repository(lane))] * 2), "the names that are provisioned"
    assert wanted["cache"]["trusted"] == str(document.cache_repository(lane))
    assert wanted["ecr"]["role"] == document.role_arn(document.role_of("acme"))


def test_a_lane_that_no_image_is_of() -> None:
    with pytest.raises(ConfigurationError, match="no image is of the lane 'acmee'") as refused:
        in_lane(catalogue(IMAGES), "acmee")
    assert "acme" in str(refused.value.hint)
