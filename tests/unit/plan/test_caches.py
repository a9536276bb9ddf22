"""Where layer caches are: by image, architecture and trust, and never where another trust reads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.ci.providers.github.environment import cache_variables
from imageyard.names import ARCHES, Arch, image_name_fault, parse_reference, parse_tag
from imageyard.plan.caches import Caches, CacheTag, cache_tag, caches, mount_namespace, parse_cache_tag
from imageyard.plan.trust import LOCAL, Decision, Event, EventKind, Repository, decide

TRUSTED, BRANCH = "registry.test/cache", "registry.test/cache-branch"
PLACES: Mapping[Repository, str] = {"trusted": TRUSTED, "branch": BRANCH}
HOW = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"

SCOPES = st.one_of(
    st.just("main"),
    st.integers(1, 10**12 - 1).map("pr-{}".format),
    st.text("0123456789abcdef", min_size=12, max_size=12).map("ref-{}".format),
)
IMAGES = st.one_of(
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,100}", fullmatch=True),
    st.lists(st.sampled_from([*ARCHES, "main", "pr", "pr-1", "ref", "a", "0123456789ab"]), min_size=1, max_size=6).map(
        "-".join
    ),
).filter(lambda name: not image_name_fault(name))
ROWS = st.tuples(IMAGES, st.sampled_from(ARCHES), SCOPES)


def decided(kind: EventKind, **event: object) -> Decision:
    return decide(Event(kind, repository="a/b", head="a/b", **event), ["main"])  # type: ignore[arg-type]


MAIN_PUSH = decided("push", ref="refs/heads/main")
PULL = decided("pull request", ref="refs/pull/7/merge", number=7)
OTHER_PUSH = decided("push", ref="refs/heads/x")
FORK = decide(Event("pull request", repository="a/b", head="c/b", number=7), ["main"])


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (
            MAIN_PUSH,
            Caches(
                (f"type=registry,ref={TRUSTED}:gcc-arm64-main",), (f"type=registry,ref={TRUSTED}:gcc-arm64-main,{HOW}",)
            ),
        ),
        (
            PULL,
            Caches(
                (f"type=registry,ref={BRANCH}:gcc-arm64-pr-7", f"type=registry,ref={TRUSTED}:gcc-arm64-main"),
                (f"type=registry,ref={BRANCH}:gcc-arm64-pr-7,{HOW}",),
            ),
        ),
        (
            OTHER_PUSH,
            Caches(
                (
                    f"type=registry,ref={BRANCH}:gcc-arm64-ref-a7cd98606ebb",
                    f"type=registry,ref={TRUSTED}:gcc-arm64-main",
                ),
                (f"type=registry,ref={BRANCH}:gcc-arm64-ref-a7cd98606ebb,{HOW}",),
            ),
        ),
        (FORK, Caches((f"type=registry,ref={TRUSTED}:gcc-arm64-main",))),
        (
            decided("schedule", ref="refs/heads/main"),
            Caches((), (f"type=registry,ref={TRUSTED}:gcc-arm64-main,{HOW}",)),
        ),
        (decided("push", ref="refs/heads/main", deleted=True), Caches()),
        (LOCAL, Caches()),
    ],
)
def test_the_caches_of_a_row(decision: Decision, expected: Caches) -> None:
    assert caches(decision, "gcc", "arm64", PLACES) == expected


@pytest.mark.parametrize(
    ("places", "decision", "expected"),
    [
        ({}, PULL, Caches()),
        ({"trusted": TRUSTED}, PULL, Caches((f"type=registry,ref={TRUSTED}:gcc-arm64-main",))),
        ({"branch": BRANCH}, MAIN_PUSH, Caches()),
    ],
)
def test_what_has_no_repository_has_no_cache(
    places: Mapping[Repository, str], decision: Decision, expected: Caches
) -> None:
    assert caches(decision, "gcc", "arm64", places) == expected


@pytest.mark.parametrize("other", [TRUSTED, "docker.io/library/cache"])
def test_a_branch_writes_nothing_into_a_repository_that_is_the_trusted_one(other: str) -> None:
    """However it is spelled."""
    trusted = {TRUSTED: TRUSTED, "docker.io/library/cache": "cache"}[other]
    found = caches(PULL, "gcc", "arm64", {"trusted": trusted, "branch": other})
    assert found.write == ()
    assert len(found.read) == 2


def test_githubs_cache_beside_it() -> None:
    found = caches(PULL, "gcc", "arm64", PLACES, gha=True)
    assert found.read[1::2] == ("type=gha,scope=gcc-arm64-pr-7", "type=gha,scope=gcc-arm64-main")
    assert found.write[1:] == ("type=gha,scope=gcc-arm64-pr-7,mode=max,ignore-error=true",)
    assert caches(FORK, "gcc", "arm64", PLACES, gha=True).write == ()
    assert caches(MAIN_PUSH, "gcc", "arm64", {}, gha=True).write == (
        "type=gha,scope=gcc-arm64-main,mode=max,ignore-error=true",
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"ACTIONS_RUNTIME_TOKEN": "t"}, False),
        ({"ACTIONS_RESULTS_URL": "https://a"}, False),
        ({"ACTIONS_RUNTIME_TOKEN": "t", "ACTIONS_RESULTS_URL": "https://a"}, True),
        ({"ACTIONS_RUNTIME_TOKEN": "t", "ACTIONS_CACHE_URL": "https://a"}, True),
        ({"ACTIONS_RUNTIME_TOKEN": "", "ACTIONS_CACHE_URL": "https://a"}, False),
    ],
)
def test_when_githubs_cache_is_in_reach(environ: dict[str, str], expected: bool) -> None:
    assert bool(cache_variables(environ)) is expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("linux-gcc12-amd64-main", CacheTag("linux-gcc12", "amd64", "main")),
        ("linux-arm64-pr-17", CacheTag("linux", "arm64", "pr-17")),
        ("linux-arm64-ref-0123456789ab", CacheTag("linux", "arm64", "ref-0123456789ab")),
        ("x-amd64-pr-1-arm64-main", CacheTag("x-amd64-pr-1", "arm64", "main")),
        ("linux-amd64-pr-0", None),
        ("linux-amd64-pr-017", None),
        ("linux-amd64-pr-", None),
        ("linux-amd64-ref-0123456789AB", None),
        ("linux-amd64-ref-0123", None),
        ("linux-amd64-release", None),
        ("linux-s390x-main", CacheTag("linux", "s390x", "main")),
        ("linux-mips64-main", None),
        ("amd64-main", None),
        ("linux-main", None),
        ("Linux-amd64-main", None),
        ("linux-amd64-0123456789abcdef0123", None),
        ("linux-amd64-main\n", None),
        ("", None),
    ],
)
def test_tags_parse_back(tag: str, expected: CacheTag | None) -> None:
    assert parse_cache_tag(tag) == expected


@given(ROWS)
def test_every_tag_parses_back_and_is_one_that_registries_take(row: tuple[str, Arch, str]) -> None:
    tag = cache_tag(*row)
    assert parse_cache_tag(tag) == CacheTag(*row)
    assert len(tag) <= 128
    assert parse_reference(f"{TRUSTED}:{tag}").tag == tag
    assert parse_tag(tag) is None, "the tag of an image"


@given(ROWS, ROWS)
def test_no_two_rows_share_a_reference(one: tuple[str, Arch, str], other: tuple[str, Arch, str]) -> None:
    assert (cache_tag(*one) == cache_tag(*other)) is (one == other)


@given(
    st.builds(
        Decision,
        trust=st.sampled_from(["local", "fork", "branch"]),
        event=st.just("x"),
        reason=st.just("x"),
        cache_written=st.none() | SCOPES,
        caches_read=st.lists(SCOPES).map(tuple),
    ),
    st.booleans(),
)
def test_below_trusted_nothing_is_written_where_trusted_runs_read(decision: Decision, gha: bool) -> None:
    """Even of a decision that nobody makes."""
    written = caches(decision, "linux", "amd64", PLACES, gha=gha).write
    assert not any(f"{TRUSTED}:" in one or one.startswith("type=gha,scope=linux-amd64-main") for one in written)
    assert decision.trust == "branch" or written == ()


@pytest.mark.parametrize(
    ("decision", "expected"), [(MAIN_PUSH, "trusted"), (PULL, "branch"), (FORK, "fork"), (LOCAL, None)]
)
def test_what_steps_mount_as_a_cache_is_each_trusts_own(decision: Decision, expected: str | None) -> None:
    assert mount_namespace(decision).get("BUILDKIT_CACHE_MOUNT_NS") == expected
