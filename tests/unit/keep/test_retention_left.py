"""The time that an image has left, against the decision: it stays until just before its end, and goes at it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.keep.retention import ARCHIVE, decide
from imageyard.keep.retention_facts import Claims, Inventory, RepositoryKind, RetentionPolicy, StoredManifest
from imageyard.keep.retention_left import time_left
from imageyard.keep.retention_plan import RetentionVerdict

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
DIGEST = f"sha256:{'1' * 64}"
POLICY = RetentionPolicy(share=1.0, pins=("*-release",), temporaries=("tmp-*",), backed_up=frozenset({"content"}))
CLAIMS = Claims(frozenset({"linux-a"}))
CONTENT = f"linux-a-{'0' * 20}"
TAGS = (CONTENT, "linux-a-weekly-20260501", "tmp-1", "linux-a", "linux-release", "theirs", f"sha256-{'2' * 64}.sig")
TICK = timedelta(seconds=1)


def verdict(one: StoredManifest, now: datetime, claims: Claims, kind: RepositoryKind = "trusted") -> RetentionVerdict:
    plan = decide(Inventory({DIGEST: one}), claims, POLICY, now, kind=kind, backed_up=frozenset({DIGEST}))
    assert plan.hands_off is None
    return plan.verdicts[DIGEST]


ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=200))


@settings(deadline=None)
@given(
    st.sets(st.sampled_from(TAGS)),
    ages,
    st.none() | ages,
    st.none() | ages,
    st.booleans(),
    st.sampled_from(["trusted", "branch"]),
)
def test_an_image_stays_for_the_time_that_it_has_left_and_no_longer(
    tags: set[str],
    age: timedelta,
    pulled: timedelta | None,
    archived: timedelta | None,
    unversioned: bool,
    kind: RepositoryKind,
) -> None:
    one = StoredManifest(
        DIGEST,
        tags=tuple(sorted(tags)),
        pushed=NOW - age,
        pulled=None if pulled is None else NOW - pulled,
        archived=archived is not None,
        archived_at=None if archived is None else NOW - archived,
    )
    claims = Claims(CLAIMS.images, unversioned=frozenset({DIGEST} if unversioned else ()))
    now = verdict(one, NOW, claims, kind)
    left = time_left(now, claims, POLICY, kind, NOW)
    if left is None:
        assert not verdict(one, NOW + timedelta(days=1000), claims, kind).goes
    elif now.goes:
        assert left == timedelta(0)
    else:
        assert not verdict(one, NOW + left - TICK, claims, kind).goes
        assert verdict(one, NOW + left, claims, kind).goes


def test_what_is_archived_stays_for_as_long_as_it_is_paid_for() -> None:
    one = StoredManifest(DIGEST, pushed=NOW - timedelta(days=300), archived=True, archived_at=NOW - timedelta(days=30))
    assert time_left(verdict(one, NOW, CLAIMS), CLAIMS, POLICY, "trusted", NOW) == ARCHIVE - timedelta(days=30)
