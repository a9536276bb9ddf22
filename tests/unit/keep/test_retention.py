"""Why manifests stay and go, case by case; first what clean-ups of others are known to have broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from imageyard.keep.retention import confirmed, decide
from imageyard.keep.retention_facts import (
    Claims,
    Inventory,
    RetentionPolicy,
    StoredManifest,
    TagClass,
    class_of,
    subject_of_tag,
    tag_matches,
)
from imageyard.keep.retention_plan import DeleteReason, HandsOff, KeepReason, RetentionPlan

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
HEX = "0123456789abcdef0123"
CONTENT = f"linux-a-{HEX}"
CLAIMS = Claims(images=frozenset({"linux-a"}))
POLICY = RetentionPolicy(share=1.0, temporaries=("tmp-*",), pins=("*-release-*",))


def one(digest: str, *, days: float | None = 365, pulled: float | None = None, **said: Any) -> StoredManifest:
    """A manifest pushed so many days ago, of unknown age for None."""
    pushed = None if days is None else NOW - timedelta(days=days)
    return StoredManifest(digest, pushed=pushed, pulled=pulled and NOW - timedelta(days=pulled), **said)


def plan(*manifests: StoredManifest, claims: Claims = CLAIMS, policy: RetentionPolicy = POLICY, **more: Any) -> Any:
    return decide(Inventory({one.digest: one for one in manifests}), claims, policy, NOW, **more)


def reasons(found: RetentionPlan) -> dict[str, object]:
    return {digest: verdict.reason for digest, verdict in found.verdicts.items()}


def image(*, tags: Sequence[str] = ("linux-a",), **said: Any) -> list[StoredManifest]:
    """An index over two platforms without tags of their own."""
    return [one("index", children=("amd64", "arm64"), tags=tuple(tags), **said), one("amd64"), one("arm64")]


# distribution/distribution#3822: the cases that its reviewer asked for, with retention in place of garbage-collect -m


def test_3822_a_tagged_list_with_untagged_references_keeps_all() -> None:
    assert plan(*image()).deletions == ()


def test_3822_an_untagged_list_with_untagged_references_goes_with_them() -> None:
    assert plan(*image(tags=())).deletions == ("index", "amd64", "arm64")


def test_3822_an_untagged_list_with_tagged_references_goes_and_they_stay() -> None:
    index, amd64, arm64 = image(tags=())
    found = plan(index, replace(amd64, tags=("mine-amd64",)), replace(arm64, tags=("mine-arm64",)))
    assert found.deletions == ("index",)


def test_3822_a_tagged_list_with_a_deleted_reference_is_judged_without_error() -> None:
    index, amd64, _ = image()
    assert reasons(plan(index, amd64)) == {"index": KeepReason.FLOATING, "amd64": KeepReason.CHILD}


# Seven public reports of clean-ups after which images of several platforms could not be pulled


def test_untagged_platforms_of_a_tagged_image_stay_however_old() -> None:
    """Report: https://github.com/vlaurin/action-ghcr-prune/issues/76."""
    assert reasons(plan(*image(days=1, tags=[CONTENT])))["arm64"] is KeepReason.CHILD


def test_a_number_of_versions_to_keep_counts_no_platforms() -> None:
    """Report: https://github.com/actions/delete-package-versions/issues/162 (hundreds purged, ten were to stay)."""
    loose = [one(f"loose-{number}") for number in range(40)]
    found = plan(*image(tags=["old-and-foreign-2.6"]), *loose)
    assert set(found.deletions) == {manifest.digest for manifest in loose}


def test_a_platform_that_two_images_share_stays_while_one_of_them_does() -> None:
    """Report: https://github.com/snok/container-retention-policy/issues/43 (amd64 alone was lost)."""
    old = one("old", children=("amd64",), tags=(f"linux-a-{HEX[::-1]}",))
    assert plan(*image(), old).deletions == ("old",)


def test_an_image_with_its_provenance_stays_whole() -> None:
    """Report: https://github.com/Chizkiyahu/delete-untagged-ghcr-action/issues/45."""
    index = one("index", children=("amd64", "provenance"), tags=("linux-a",))
    found = plan(index, one("amd64"), one("provenance", attests=("amd64",)))
    assert found.deletions == ()


def test_a_signature_of_a_platform_stays_with_it() -> None:
    """Report: https://github.com/dataaxiom/ghcr-cleanup-action/issues/104 (bundles with a `subject`)."""
    found = plan(*image(), one("bundle", subject="arm64"), one("loose", subject="nobody"))
    assert (reasons(found)["bundle"], found.deletions) == (KeepReason.REFERRER, ("loose",))


def test_what_was_pulled_stays_when_its_index_is_old() -> None:
    """Report: https://github.com/goharbor/harbor/issues/22390; the index stays too: a pull may count for one alone."""
    index, amd64, arm64 = image(tags=[CONTENT])
    found = plan(index, replace(amd64, pulled=NOW - timedelta(days=1)), arm64)
    assert reasons(found) == {"index": KeepReason.INDEX, "amd64": KeepReason.PULLED, "arm64": KeepReason.CHILD}


def test_what_one_clean_up_broke_stops_no_other() -> None:
    """Report: https://github.com/dataaxiom/ghcr-cleanup-action/issues/71 (children were gone, and it ended in 404)."""
    broken = one("broken", children=("gone", "amd64"), tags=(CONTENT,))
    assert plan(broken, one("amd64")).deletions == ("broken", "amd64")


# Reasons


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (one("x", tags=("a-release-1",)), KeepReason.PINNED),
        (one("x", tags=("linux-a",)), KeepReason.FLOATING),
        (one("x", tags=("what-is-this",)), KeepReason.FOREIGN),
        (one("x", tags=(f"linux-z-{HEX}",)), KeepReason.FOREIGN),
        (one("x", tags=(CONTENT,), pulled=13), KeepReason.PULLED),
        (one("x", tags=(CONTENT,), pulled=15), DeleteReason.UNREACHABLE),
        (one("x", tags=("tmp-1",), days=0.05), KeepReason.YOUNG),
        (one("x", tags=("tmp-1",), days=0.5), KeepReason.WITHIN_AGE),
        (one("x", tags=("tmp-1",), days=1.5), DeleteReason.TEMPORARY),
        (one("x", tags=("linux-a-weekly-20260101-amd64",), days=13), KeepReason.WITHIN_AGE),
        (one("x", tags=("linux-a-weekly-20260101-amd64",), days=15), DeleteReason.WEEKLY),
        (one("x", tags=(CONTENT,), days=29), KeepReason.WITHIN_AGE),
        (one("x", tags=(CONTENT,), days=31), DeleteReason.UNREACHABLE),
        (one("x", tags=(CONTENT,), days=None), KeepReason.AGE_UNKNOWN),
        (one("x", tags=(CONTENT, "tmp-1"), days=15), KeepReason.WITHIN_AGE),
        (one("x", tags=(CONTENT,), archived=True), KeepReason.ARCHIVED),
        (one("x", tags=(CONTENT,), archived=True, archived_at=NOW - timedelta(days=89)), KeepReason.ARCHIVED),
        (one("x", tags=(CONTENT,), archived=True, archived_at=NOW - timedelta(days=91)), DeleteReason.UNREACHABLE),
        (one("x", days=1.5), DeleteReason.UNTAGGED),
        (one("x", days=0.5), KeepReason.WITHIN_AGE),
    ],
)
def test_a_manifest_by_itself(manifest: StoredManifest, reason: object) -> None:
    assert reasons(plan(manifest)) == {"x": reason}


@pytest.mark.parametrize(
    ("tags", "days", "reason"),
    [
        (["linux-a-amd64-pr-17"], 8, KeepReason.OPEN),
        (["linux-a-amd64-pr-18"], 8, DeleteReason.CACHE),
        (["linux-a-amd64-pr-18"], 6, KeepReason.WITHIN_AGE),
        (["linux-a-amd64-pr-18", "linux-a-amd64-pr-17"], 8, KeepReason.OPEN),
        (["linux-a-amd64-ref-0123456789ab"], 8, DeleteReason.CACHE),
        (["linux-a-amd64-main"], 365, KeepReason.FLOATING),
        (["what-is-this"], 365, KeepReason.FOREIGN),
        ([], 2, DeleteReason.UNTAGGED),
    ],
)
def test_a_layer_cache(tags: list[str], days: float, reason: object) -> None:
    claims = replace(CLAIMS, open_pulls=frozenset({17}))
    assert reasons(plan(one("x", tags=tuple(tags), days=days), claims=claims, kind="cache")) == {"x": reason}


def test_what_git_and_the_locks_claim() -> None:
    old = one("x", tags=(CONTENT,))
    for claims, reason in [
        (replace(CLAIMS, reachable={CONTENT: "c0ffee"}), KeepReason.REACHABLE),
        (replace(CLAIMS, pinned_tags=frozenset({CONTENT})), KeepReason.PINNED),
        (replace(CLAIMS, pinned_digests=frozenset({"x"})), KeepReason.PINNED),
        (replace(CLAIMS, unversioned=frozenset({"x"})), DeleteReason.OTHER_VERSION),
    ]:
        assert reasons(plan(old, claims=claims)) == {"x": reason}
    younger, unversioned = one("x", tags=(CONTENT,), days=60), replace(CLAIMS, unversioned=frozenset({"x"}))
    assert reasons(plan(younger, claims=unversioned)) == {"x": KeepReason.WITHIN_AGE}, "judged by age alone"


def test_a_record_of_a_kept_commit_keeps_its_image() -> None:
    record = one("record", subject="x", commit="c0ffee")
    claims = replace(CLAIMS, commits=frozenset({"c0ffee"}))
    assert plan(one("x", tags=(CONTENT,)), record, claims=claims).deletions == ()
    assert plan(one("x", tags=(CONTENT,)), record).deletions == ("x", "record")


def test_a_row_keeps_the_row_that_it_starts_from() -> None:
    parent = f"linux-a-{HEX[::-1]}"
    claims = replace(CLAIMS, reachable={CONTENT: "c0ffee"}, parents={CONTENT: (parent,)})
    found = plan(one("child", tags=(CONTENT,)), one("parent", tags=(parent,)), claims=claims)
    assert reasons(found)["parent"] is KeepReason.PARENT


def test_without_a_backup_nothing_goes_that_needs_one() -> None:
    old, policy = one("x", tags=(CONTENT,)), replace(POLICY, backed_up=frozenset({"content"}))
    assert reasons(plan(old, policy=policy)) == {"x": KeepReason.NO_BACKUP}
    assert plan(old, policy=policy, backed_up=frozenset({"x"})).deletions == ("x",)


def test_what_an_index_lists_that_cannot_be_read_may_be_anything_older() -> None:
    """ECR answers 404 for an archived image."""
    hidden = one("index", children=None, tags=("linux-a",), archived=True, days=200)
    found = plan(hidden, one("older", days=300), one("newer", days=100))
    assert reasons(found)["older"] is KeepReason.MAYBE_CHILD
    assert found.deletions == ("newer",)


def test_hands_off() -> None:
    old = one("x", tags=(CONTENT,))
    assert decide(Inventory({}, "cut"), CLAIMS, POLICY, NOW).hands_off is HandsOff.UNREADABLE
    assert plan(old, one("y", days=-1)).hands_off is HandsOff.CLOCK
    assert plan(old, last=NOW + timedelta(days=1)).hands_off is HandsOff.CLOCK
    assert plan(old, last=NOW + timedelta(minutes=5)).hands_off is None
    assert plan(old, policy=replace(POLICY, most=0)).hands_off is HandsOff.COUNT
    assert plan(old, one("y", days=0), policy=replace(POLICY, share=0.4)).hands_off is HandsOff.SHARE
    assert plan(old, policy=replace(POLICY, most=0)).deletions == ()


def test_what_came_meanwhile_saves_what_it_needs() -> None:
    first = plan(*image(tags=()))
    index, amd64, arm64 = image(tags=())
    again = plan(index, amd64, arm64, one("new", days=0, children=("arm64",), tags=("linux-a",)))
    assert confirmed(first, again) == ("index", "amd64")


@pytest.mark.parametrize(
    ("tag", "kind", "wanted"),
    [
        ("linux-a-amd64-pr-17", "cache", "cache"),
        ("linux-a-amd64-ref-0123456789ab", "cache", "cache"),
        ("linux-a-amd64-main", "cache", "floating"),
        ("what-is-this", "cache", "foreign"),
        ("linux-a-amd64-pr-17", "branch", "foreign"),
        (f"sha256-{'0' * 64}.sig", "trusted", "attached"),
        (f"{CONTENT}-local", "trusted", "content"),
        ("linux-b-weekly-20260101", "trusted", "foreign"),
    ],
)
def test_the_class_of_a_tag(tag: str, kind: Any, wanted: TagClass) -> None:
    assert class_of(tag, POLICY, CLAIMS, kind) == wanted


def test_patterns_and_tags_about_others() -> None:
    assert tag_matches("*-{release,rc}-*", "a-rc-1")
    assert not tag_matches("*-{release,rc}-*", "a-rcs-1")
    assert not tag_matches("a.c", "abc")
    for tag in (f"sha256-{'a' * 64}", f"sha256-{'a' * 64}.att"):
        assert subject_of_tag(tag) == f"sha256:{'a' * 64}"
    assert subject_of_tag("sha256-abc") is None
