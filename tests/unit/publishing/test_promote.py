"""What decides whether rows make an image, without a registry: what an index holds, what a state means, times."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from imageyard.errors import ConfigurationError, Denied, PolicyRefused, Transient
from imageyard.names import Absent, Digest, Present, Unknown, parse_reference
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, parse
from imageyard.publishing.promote import Piece, contents, differences
from imageyard.queries.resolve import Target, judged
from imageyard.queries.wait import seconds

A, B, C, D = (Digest(f"sha256:{letter * 64}") for letter in "abcd")


def piece(arch: str, digest: Digest, *held: Digest) -> Piece:
    row = SimpleNamespace(name="linux-both", arch=arch)
    return Piece(row, "00" * 32, digest, frozenset(held or (digest,)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pieces", "held", "said"),
    [
        ([piece("amd64", A), piece("arm64", B)], {A, B}, []),
        ([piece("amd64", A, B, C)], {B, C}, []),
        ([piece("amd64", A), piece("arm64", B)], {A}, [f"linux-both arm64 ({B}) is not in it"]),
        ([piece("amd64", A)], {A, D}, [f"{D} belongs to none of the rows"]),
        (
            [piece("amd64", A), piece("arm64", B)],
            {A, C},
            [f"linux-both arm64 ({B}) is not in it", f"{C} belongs to none of the rows"],
        ),
    ],
    ids=["agree", "index for its children", "row missing", "foreign", "another row"],
)
def test_an_index_holds_its_rows_and_nothing_else(pieces: list[Piece], held: set[Digest], said: list[str]) -> None:
    assert differences(pieces, frozenset(held)) == said


def test_contents_are_the_image_itself_or_what_is_in_its_index() -> None:
    entry = {"mediaType": OCI_MANIFEST, "digest": A, "size": 1}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry, {**entry, "digest": B}]}
    assert contents(parse(json.dumps(index).encode())) == {A, B}
    manifest = parse(json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry}).encode())
    assert contents(manifest) == {manifest.digest}


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("999999h", 3599996400)]
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "1.5h", "-1", "1d", "1 m", "1000000", "٣"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a time"):
        seconds(text)


TARGET = Target(parse_reference("registry.test/ci:both-1"), ("linux/amd64", "linux/arm64"), "inv promote both")


def test_what_a_state_means_for_who_asks() -> None:
    assert judged(TARGET, Present(A, ("linux/arm64", "linux/amd64"))) == f"registry.test/ci@{A}"
    assert judged(TARGET, Absent()) is None
    with pytest.raises(PolicyRefused, match="is for linux/amd64, not for linux/amd64, linux/arm64"):
        judged(TARGET, Present(A, ("linux/amd64",)))
    with pytest.raises(Denied, match="no entry") as denied:
        judged(TARGET, Unknown(Denied("no entry")))
    assert denied.value.hint == ("docker login registry.test",)
    with pytest.raises(Transient, match="HTTP 502"):
        judged(TARGET, Unknown(Transient("HTTP 502")))
