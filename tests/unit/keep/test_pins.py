"""References in a text: which are found, how they stand, and that moving them changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.keep.pins import Current, Mention, moved, references_in, spellings, standing
from imageyard.names import Digest

OURS, HUB = "ghcr.io/acme/ci-image", "docker.io/acme/ci"
OLD, NEW, LEFT = "0123456789abcdef0123", "fedcba98765432100000", "1" * 20
D, E = Digest("sha256:" + "d" * 64), Digest("sha256:" + "e" * 64)
TREE = "a" * 40
CURRENT = {
    "linux-tool": Current(f"linux-tool-{NEW}", {"linux/amd64": f"linux-tool-{LEFT}", "linux/arm64": "linux-tool-x"}),
    "linux-tool-slim": Current(f"linux-tool-slim-{NEW}", {"linux/amd64": f"linux-tool-slim-{NEW}"}),
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"image: {OURS}:linux-tool-{OLD}", [(OURS, f"linux-tool-{OLD}", None)]),
        (f"docker-image://{OURS}@{D}", [(OURS, None, D)]),
        (f"'{OURS}:linux-tool@{D}'", [(OURS, "linux-tool", D)]),
        (f"docker pull {OURS}:linux-tool-{OLD}.", [(OURS, f"linux-tool-{OLD}", None)]),
        (f"{OURS}:linux-tool-weekly-20261128-arm64,", [(OURS, "linux-tool-weekly-20261128-arm64", None)]),
        (f"registry: {OURS}\n", []),
        (f"{OURS}-cache:linux-tool-amd64-main {OURS}/x:y a{OURS}:y b/{OURS}:y", []),
        (f"FROM acme/ci:x-{OLD}", [(HUB, f"x-{OLD}", None)]),
        (f"FROM index.docker.io/acme/ci:v1 {HUB}:v2 quay.io/acme/ci:v3", [(HUB, "v1", None), (HUB, "v2", None)]),
        (f"TAG=linux-tool-{OLD}\nX=${{HOST}}/ci:linux-tool-{NEW}", [("", f"linux-tool-{t}", None) for t in (OLD, NEW)]),
        (f"`linux-tool-{OLD}-local`", [("", f"linux-tool-{OLD}-local", None)]),
        (f"linux-tool-{TREE}-arm64 linux-tool-{TREE}", [("", f"linux-tool-{TREE}{a}", None) for a in ("-arm64", "")]),
        (f"digest: {D}", [("", None, D)]),
        (f"linux-tool-{OLD}ab linux-tool-{OLD}-x linux-tool-{OLD}.tar {D}0", []),
    ],
)
def test_what_is_found(text: str, found: list[tuple[str, str | None, str | None]]) -> None:
    mentions = references_in(text, [OURS, HUB])
    assert [(one.repository, one.tag, one.digest) for one in mentions] == found
    assert all(text[one.start : one.end] == one.text for one in mentions)


def test_the_line_of_each() -> None:
    assert [one.line for one in references_in(f"\n{D}\r\n\n  {OURS}:a {OURS}:b\n", [OURS])] == [2, 4, 4]


def test_a_repository_of_the_hub_needs_no_host() -> None:
    assert spellings("docker.io/library/x") == ("docker.io/library/x", "index.docker.io/library/x", "library/x", "x")
    assert spellings(OURS) == (OURS,)


@pytest.mark.parametrize(
    ("tag", "stands", "image"),
    [
        (f"linux-tool-{NEW}", "current", "linux-tool"),
        (f"linux-tool-{LEFT}", "current", "linux-tool"),
        (f"linux-tool-{OLD}", "older", "linux-tool"),
        (f"linux-tool-slim-{LEFT}", "older", "linux-tool-slim"),
        (f"linux-tool-{TREE}-arm64", "older", "linux-tool"),
        (f"linux-tool-{NEW}-local", "local", "linux-tool"),
        ("linux-tool", "floating", "linux-tool"),
        ("linux-tool-weekly-20261128-arm64", "canary", "linux-tool"),
        (f"linux-other-{OLD}", "unknown", ""),
        ("v1", "unknown", ""),
    ],
)
def test_how_a_tag_stands(tag: str, stands: str, image: str) -> None:
    assert standing(tag, CURRENT) == (stands, image)


@pytest.mark.parametrize(
    ("platforms", "tag"),
    [
        (["linux/arm64", "linux/amd64"], f"linux-tool-{NEW}"),
        (["linux/amd64"], f"linux-tool-{LEFT}"),
        (["linux/s390x"], None),
        ([], None),
    ],
)
def test_what_has_which_platforms_is_the_whole_or_a_row(platforms: list[str], tag: str | None) -> None:
    assert CURRENT["linux-tool"].of(platforms) == tag


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{OURS}:old-{OLD}", f"{OURS}:new"),
        (f"{OURS}@{D}", f"{OURS}@{E}"),
        (f"acme/ci:x@{D}", f"acme/ci:new@{E}"),
        (f"old-{OLD}", "new"),
    ],
)
def test_a_reference_keeps_its_parts_and_its_spelling(before: str, after: str) -> None:
    (mention,) = references_in(before, [OURS, HUB])
    assert mention.renewed("new", E) == after


def _moves(text: str) -> list[tuple[Mention, str]]:
    return [(one, one.renewed(f"linux-tool-{NEW}", E)) for one in references_in(text, [OURS]) if one.tag or one.spelled]


@given(
    st.lists(
        st.sampled_from(
            [
                f"{OURS}:linux-tool-{OLD}",
                f"{OURS}@{D}",
                f"{OURS}:linux-tool-{OLD}@{D}",
                f"linux-tool-{OLD}",
                OURS,
                str(D),
            ]
        )
        | st.text(st.characters(codec="utf-8", exclude_characters="0123456789abcdef"), max_size=8),
        max_size=8,
    ),
    st.sampled_from([" ", "\n", "\r\n", '", "', " ; "]),
)
def test_moving_is_idempotent_and_changes_the_references_alone(parts: list[str], between: str) -> None:
    text = between.join(parts)
    changes = _moves(text)
    new = moved(text, changes)
    assert moved(new, _moves(new)) == new
    kept, at = [], 0
    for mention, _ in changes:
        kept.append(text[at : mention.start])
        at = mention.end
    kept.append(text[at:])
    rest = new
    for piece, change in zip(kept, [*(after for _, after in changes), ""], strict=True):
        assert rest.startswith(piece + change)
        rest = rest[len(piece + change) :]
    assert rest == ""
