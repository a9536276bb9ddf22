"""A made page: thousands of images of all kinds, with histories, and with tags and labels that nobody should obey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from imageyard.keep.page import Page, page_of
from imageyard.keep.page_facts import BackupFacts, PlatformImage, ShownRepository
from imageyard.keep.retention import decide
from imageyard.keep.retention_facts import Claims, Inventory, RetentionPolicy, StoredManifest
from imageyard.records import Finding, Record

__all__ = ["HOSTILE", "NOW", "REPOSITORY", "made_page", "made_repository", "sha"]

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
REPOSITORY = "registry.test/ci/image"

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<!--<script>",
    '"><img src=x onerror="window.hacked = 1">',
    "' onmouseover='window.hacked = 1",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:window.hacked=1",
    "&lt;b&gt;&amp;",
    "\u202egnihton\u2028\u2029",
    "half \ud800 of one",
    "$(touch hacked)`touch hacked`",
    "]]><svg onload=window.hacked=1>",
)
"""What whoever may write to a repository may have written into a tag, a record or an index."""

_NAMES = [
    f"linux-{system}-py3.{minor}-gcc{gcc}"
    for system in ("jammy", "noble")
    for minor in (10, 12, 13)
    for gcc in (11, 13)
]
_PACKAGES = [f"lib{letter}{number}" for letter in "abcdefgh" for number in range(40)]


def sha(text: str) -> str:
    """The digest of a text."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def made_repository(count: int, hostile: tuple[str, ...] = HOSTILE, name: str = REPOSITORY) -> ShownRepository:
    """A repository of `count` tagged images, one for each of `hostile` among them, with what is beside them."""
    names = dict.fromkeys(_NAMES)
    made = [_image(number, hostile[number] if number < len(hostile) else None) for number in range(count)]
    manifests = {one.digest: one for one, _ in made}
    claims = Claims(
        frozenset(names),
        {tag: "c0ffee" * 6 for one, _ in made[40::50] for tag in one.tags},
        unversioned=frozenset(one.digest for one, _ in made[3::97]),
    )
    policy = RetentionPolicy(share=1.0, most=10**6, pins=("*release*",), temporaries=("tmp-*",))
    plan = decide(Inventory(manifests), claims, policy, NOW)
    platforms = {one.digest: images for one, images in made}
    signed = frozenset(one.digest for one, _ in made[::11])
    return ShownRepository(name, "trusted", policy, claims, plan, manifests, platforms=platforms, signed=signed)


def made_page(count: int, hostile: tuple[str, ...] = HOSTILE, troubles: tuple[str, ...] = ()) -> Page:
    """The page of such a repository; four of five images have a backup."""
    one = made_repository(count, hostile)
    saved = {digest: "2026-11-27T02:00:00+00:00" for at, digest in enumerate(one.manifests) if at % 5}
    return page_of(f"Images of {REPOSITORY}", [one], BackupFacts("read", saved), NOW, troubles)


def _image(number: int, hostile: str | None) -> tuple[StoredManifest, tuple[PlatformImage, ...]]:
    image = _NAMES[number % len(_NAMES)]
    built = NOW - timedelta(hours=3 + number * 5)
    digest = sha(f"image {number}")
    tags = [f"{image}-{hashlib.sha256(str(number).encode()).hexdigest()[:20]}"]
    if number % 10 == 7:
        tags = [f"{image}-weekly-{built:%Y%m%d}"]
    if number < len(_NAMES):
        tags.append(image)
    if number % 400 == 13:
        tags = [f"linux-release-{number}"]
    if hostile is not None:
        tags.append(hostile)
    manifest = StoredManifest(
        digest,
        tags=tuple(tags),
        pushed=built + timedelta(minutes=30),
        pulled=NOW - timedelta(hours=number % 300) if number % 3 else None,
        size=10**9,
    )
    return manifest, tuple(_platforms(number, image, built, hostile))


def _platforms(number: int, image: str, built: datetime, hostile: str | None) -> Iterator[PlatformImage]:
    for arch in ("amd64", "arm64")[: 1 + (number % 4 == 0)]:
        findings = tuple(Finding(f"check {at}", True, "12", "12") for at in range(5))
        if number % 61 == 5:
            findings = (Finding(hostile or "gcc", False, "12", hostile or "13"),)
        record = Record(
            image,
            arch,
            "published",
            0,
            "",
            built.isoformat(),
            ended=(built + timedelta(minutes=20)).isoformat(),
            seconds=900.0 + (number * 37) % 600,
            findings=() if number % 7 == 3 else findings,
            commit=hostile or hashlib.sha256(str(number // 12).encode()).hexdigest()[:40],
            facts={hostile or "dpkg": _facts(number, hostile)},
        )
        yield PlatformImage(
            sha(f"image {number} {arch}"),
            f"linux/{arch}" if hostile is None or arch == "arm64" else f"linux/{hostile}",
            700_000_000 + (number * 7_919_317) % 90_000_000,
            ("https://slsa.dev/provenance/v0.2",) if hostile is None else (hostile,),
            None if number % 13 == 2 else record,
            (f"debian:bookworm-slim@{sha('base')}",) if hostile is None else (hostile,),
        )


def _facts(number: int, hostile: str | None) -> tuple[str, ...]:
    """The packages of an image: a few move with each, and now and then one comes."""
    age = number // len(_NAMES)
    lines = [f"{name}\t1.{0 if (at + age) % 40 else age}" for at, name in enumerate(_PACKAGES)]
    return tuple(sorted([*lines, *([f"{hostile}\t{hostile}", hostile] if hostile else ())]))
