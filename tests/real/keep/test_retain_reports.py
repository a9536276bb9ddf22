"""What clean-ups of others are known to have broken, at a real registry: retained, collected, and pulled whole.

Each case is a repository of its own, a mirror of one catalogue, so that one run retains them all. Its first half is
there when the run of START sees the repository; its second half is what happened until LATER, when all of it is old.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.registry import referrers
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from support.registry.pullable import put_pullable, validate
from support.registry.served import Served, collected, platform, put_index, serve
from support.services import services
from support.yard.promoted import BOTH, make_promoted_yard

START = datetime.now(timezone.utc) - timedelta(days=400)
LATER = datetime.now(timezone.utc)
OLD = f"{BOTH}-{'0' * 20}"
EMPTY = "application/vnd.oci.empty.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass
class Repository:
    """One case: `stay` and `go` are the digests that have to be there and gone; `broken` is one that lacks a part."""

    client: Client
    place: Reference
    stay: set[Digest] = field(default_factory=set)
    go: set[Digest] = field(default_factory=set)
    broken: set[Digest] = field(default_factory=set)

    def image(self, note: str, arch: str = "amd64") -> Digest:
        return put_pullable(self.client, self.place, f"{self.place.repository} {note}", arch)

    def proof(self, note: str) -> Digest:
        """Provenance as BuildKit writes it: an image of no platform."""
        return put_pullable(self.client, self.place, f"{self.place.repository} {note}", "unknown", "unknown")

    def pair(self, note: str) -> list[Digest]:
        return [self.image(note, arch) for arch in ("amd64", "arm64")]

    def index(self, tag: str, digests: list[Digest], **more: object) -> Digest:
        entries = {digest: platform(arch) for digest, arch in zip(digests, ("amd64", "arm64"), strict=False)}
        return put_index(self.client, self.place.with_tag(tag), {**entries, **more})  # type: ignore[dict-item]

    def tag(self, tag: str, digest: Digest) -> None:
        raw = self.client.get(self.place.with_digest(digest))
        self.client.put(self.place.with_tag(tag), raw.body, raw.media_type)

    def left(self) -> set[Digest]:
        return {one for one in self.stay | self.go if self.client.digest_of(self.place.with_digest(one)) is not None}


Case = Callable[[Repository], Callable[[], None] | None]


# distribution/distribution#3822: what its reviewer asked tests for (`garbage-collect --delete-untagged`)


def a_tagged_list_with_untagged_references(at: Repository) -> None:
    rows = at.pair("row")
    at.stay = {at.index(BOTH, rows), *rows}


def an_untagged_list_with_untagged_references(at: Repository) -> Callable[[], None]:
    rows = at.pair("row")
    at.go = {at.index(BOTH, rows), *rows}

    def later() -> None:
        at.stay = {at.image("new")}
        at.tag(BOTH, *at.stay)

    return later


def an_untagged_list_with_tagged_references(at: Repository) -> Callable[[], None]:
    rows = at.pair("row")
    at.go = {at.index(BOTH, rows)}
    for number, row in enumerate(rows):
        at.tag(f"theirs-{number}", row)

    def later() -> None:
        new = at.image("new")
        at.tag(BOTH, new)
        at.stay = {*rows, new}

    return later


def a_tagged_list_with_a_deleted_reference(at: Repository) -> Callable[[], None]:
    amd64, arm64 = at.pair("row")
    index = at.index(BOTH, [amd64, arm64])
    at.stay, at.broken = {index, amd64}, {index}
    return lambda: at.client.delete(at.place.with_digest(arm64))


# Seven public reports; the seventh, goharbor/harbor#22390, is about pulls, which no plain registry counts:
# tests/real/keep/test_retain_vendors.py has it


def untagged_platforms_of_a_tagged_image(at: Repository) -> None:
    """https://github.com/vlaurin/action-ghcr-prune/issues/76: one platform, its provenance, both without a tag."""
    row, provenance = at.image("row"), at.proof("one")
    at.stay = {at.index("v0.0.1", [row], **attests(provenance, row)), row, provenance}


def a_number_of_versions_to_keep(at: Repository) -> Callable[[], None]:
    """https://github.com/actions/delete-package-versions/issues/162: twelve loose ones go, ten were to stay."""
    rows = at.pair("row")
    at.stay = {at.index("2.6", rows), *rows}
    at.go = {at.image(f"loose {number}") for number in range(12)}
    for number, digest in enumerate(at.go):
        at.tag(f"tmp-{number}", digest)

    def later() -> None:
        new = at.image("new")
        for number in range(12):
            at.tag(f"tmp-{number}", new)
        at.tag(BOTH, new)
        at.stay |= {new}

    return later


def a_platform_that_two_images_share(at: Repository) -> None:
    """https://github.com/snok/container-retention-policy/issues/43: amd64 alone was lost with an old tag."""
    amd64, arm64 = at.pair("row")
    at.stay = {at.index("development", [amd64, arm64]), amd64, arm64}
    alone = at.image("alone", "arm64")
    at.go = {at.index(OLD, [amd64, alone]), alone}


def an_image_with_its_provenance(at: Repository) -> None:
    """https://github.com/Chizkiyahu/delete-untagged-ghcr-action/issues/45: tags were left, and nothing below them."""
    amd64, arm64 = at.pair("row")
    proofs = [at.proof(f"{number}") for number in range(2)]
    more = {**attests(proofs[0], amd64), **attests(proofs[1], arm64)}
    at.stay = {at.index(BOTH, [amd64, arm64], **more), amd64, arm64, *proofs}
    old = at.image("old")
    proof = at.proof("old")
    at.go = {at.index(OLD, [old], **attests(proof, old)), old, proof}


def a_signature_of_a_platform(at: Repository) -> None:
    """https://github.com/dataaxiom/ghcr-cleanup-action/issues/104: bundles that name a platform as their `subject`."""
    amd64, arm64 = at.pair("row")
    at.stay = {at.index(BOTH, [amd64, arm64]), amd64, arm64, signed(at, arm64)}
    old = at.image("old")
    at.go = {at.index(OLD, [old]), old, signed(at, old)}


def images_that_another_clean_up_broke(at: Repository) -> Callable[[], None]:
    """https://github.com/dataaxiom/ghcr-cleanup-action/issues/71: children were gone, and the clean-up ended in 404."""
    amd64, arm64 = at.pair("row")
    at.go = {at.index(OLD, [amd64, arm64]), amd64}
    rows = at.pair("other row")
    at.stay = {at.index(BOTH, rows), *rows}
    return lambda: at.client.delete(at.place.with_digest(arm64))


def attests(proof: Digest, subject: Digest) -> dict[Digest, dict[str, object]]:
    """An entry of an index as BuildKit writes it for provenance."""
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject}
    return {proof: {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": notes}}


def signed(at: Repository, subject: Digest) -> Digest:
    """A bundle that names its subject; this registry has no referrers API, so that a tag lists it."""
    raw = at.client.get(at.place.with_digest(subject))
    bundle = f'{{"bundle of": "{subject}"}}'.encode()
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": EMPTY, "digest": push_bytes(at.client, at.place, b"{}"), "size": 2},
        "layers": [{"mediaType": BUNDLE, "digest": push_bytes(at.client, at.place, bundle), "size": len(bundle)}],
        "subject": {"mediaType": raw.media_type, "digest": subject, "size": len(raw.body)},
    }
    return referrers.attach(at.client, at.place, json.dumps(body).encode())


CASES: dict[str, Case] = {
    "distribution#3822: a tagged list with untagged references": a_tagged_list_with_untagged_references,
    "distribution#3822: an untagged list with untagged references": an_untagged_list_with_untagged_references,
    "distribution#3822: an untagged list with tagged references": an_untagged_list_with_tagged_references,
    "distribution#3822: a tagged list with a deleted reference": a_tagged_list_with_a_deleted_reference,
    "action-ghcr-prune#76": untagged_platforms_of_a_tagged_image,
    "delete-package-versions#162": a_number_of_versions_to_keep,
    "container-retention-policy#43": a_platform_that_two_images_share,
    "delete-untagged-ghcr-action#45": an_image_with_its_provenance,
    "ghcr-cleanup-action#104": a_signature_of_a_platform,
    "ghcr-cleanup-action#71": images_that_another_clean_up_broke,
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A registry of this file's own, which its collector finds nothing else in."""
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def retained(own: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Repository]:
    """All cases after one run of retention and one of the registry's own collector."""
    client = own.client()
    found = {name: Repository(client, own.reference(f"case-{number}")) for number, name in enumerate(CASES)}
    mirrors = ", ".join(one.place.name for one in found.values())
    yard = make_promoted_yard(own, tmp_path_factory.mktemp("checkout"), mirrors)
    halves = [CASES[name](one) for name, one in found.items()]
    retain(yard.project(), services(client), RetainRequest(), START)
    for half in halves:
        if half is not None:
            half()
    retain(yard.project(), services(client), RetainRequest(yes=True, share=1.0), LATER)
    collected(own)
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_has_to_stay_is_pulled_whole_and_the_rest_is_gone(retained: dict[str, Repository], name: str) -> None:
    case = retained[name]
    assert case.left() == case.stay
    for digest in case.stay - case.broken:
        if case.client.get(case.place.with_digest(digest)).parsed().artifact_type != BUNDLE:
            validate(case.place.with_digest(digest))


def test_the_registrys_own_way_to_delete_what_has_no_tag_breaks_what_retention_keeps(tmp_path: Path) -> None:
    """Why docs/retention.md says not to use it: before 3.0 it asks for no lists (distribution#3178)."""
    (version,) = subprocess.check_output(["docker-registry", "--version"], text=True).split()[-1:]
    for own in serve(tmp_path / "registry"):
        at = Repository(own.client(), own.reference("case"))
        a_tagged_list_with_untagged_references(at)
        collected(own, "--delete-untagged")
        assert (at.left() == at.stay) == (not version.startswith("2."))
