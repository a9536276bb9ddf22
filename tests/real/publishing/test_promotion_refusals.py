"""What promotion refuses: each case is forged at a real registry, under the tags that are looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imageyard.names import Absent, Digest, Reference
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, digest_of
from imageyard.registry.client import Client
from imageyard.registry.states import state
from imageyard.registry.upload import push_bytes
from support.registry.served import Served, tool
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard, put_row

STRANGER = Digest(f"sha256:{'5' * 64}")


@pytest.fixture
def yard(registry: Served, tmp_path: Path) -> PromotedYard:
    return make_promoted_yard(registry, tmp_path)


class Forger:
    """Puts what is wrong at the registry, by digest; `good` are the rows as they should be."""

    def __init__(self, yard: PromotedYard, client: Client) -> None:
        self.yard = yard
        self.client = client
        self.place = yard.at()
        self.losing: list[Digest] = []
        self.good = {arch: yard.publish_row(client, BOTH, arch) for arch in ("amd64", "arm64")}

    def row(self, arch: str, inputs: str | None = None, note: str = "forged") -> Digest:
        """Another image of a row's inputs, or of others."""
        given = self.yard.inputs(BOTH, arch) if inputs is None else inputs
        return put_row(self.client, self.place, arch, given, note=f"{self.yard.key} {note}")

    def attestation(self, subject: Digest | None = None) -> Digest:
        """The manifest of an attestation, as BuildKit has it."""
        parts = {"config": b"{}", "layer": f'{{"of": "{self.yard.key} {subject}"}}'.encode()}
        found = {n: {"digest": push_bytes(self.client, self.place, c), "size": len(c)} for n, c in parts.items()}
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **found["config"]},
            "layers": [{"mediaType": "application/vnd.in-toto+json", **found["layer"]}],
        }
        if subject:
            body["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 500}
        return self._put(body, OCI_MANIFEST)

    def index(self, *entries: tuple[Digest, str, Digest | None]) -> Digest:
        """An index of what is there: digest, platform, and for an attestation what it says to attest."""
        return self._put({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._entries(entries)}, OCI_INDEX)

    def name(self, tag: str, digest: Digest) -> Reference:
        """Give a tag to what is there, whatever it named before."""
        raw = self.client.get(self.place.with_digest(digest))
        self.client.put(self.place.with_tag(tag), raw.body, raw.media_type)
        for lost in self.losing:  # a registry takes no index whose children it does not have: it loses them later
            self.client.delete(self.place.with_digest(lost))
        self.losing = []
        return self.place.with_tag(tag)

    def _entries(self, entries: tuple[tuple[Digest, str, Digest | None], ...]) -> list[dict[str, Any]]:
        found = []
        for digest, arch, attests in entries:
            raw = self.client.get(self.place.with_digest(digest))
            system = {"os": "linux", "architecture": arch}
            entry: dict[str, Any] = {"mediaType": raw.media_type, "digest": digest, "size": len(raw.body)}
            if attests:
                system = {"os": "unknown", "architecture": "unknown"}
                entry["annotations"] = {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": attests,
                }
            found.append({**entry, "platform": system})
        return found

    def _put(self, body: dict[str, Any], media_type: str) -> Digest:
        encoded = json.dumps(body).encode()
        return self.client.put(self.place.with_digest(digest_of(encoded)), encoded, media_type)


def twice(forger: Forger) -> Digest:
    return forger.index((forger.good["arm64"], "arm64", None), (forger.row("arm64"), "arm64", None))


def twice_under_two_names(forger: Forger) -> Digest:
    """The index says that the second one is for something else; its config knows better."""
    return forger.index((forger.good["arm64"], "arm64", None), (forger.row("arm64"), "s390x", None))


def other_platform(forger: Forger) -> Digest:
    return forger.good["amd64"]


def both_platforms(forger: Forger) -> Digest:
    return forger.index((forger.good["arm64"], "arm64", None), (forger.good["amd64"], "amd64", None))


def child_missing(forger: Forger) -> Digest:
    child = forger.row("arm64")
    found = forger.index((child, "arm64", None))
    forger.losing.append(child)
    return found


def attestation_missing(forger: Forger) -> Digest:
    image = forger.row("arm64")
    proof = forger.attestation()
    found = forger.index((image, "arm64", None), (proof, "", image))
    forger.losing.append(proof)
    return found


def attestation_of_another(forger: Forger) -> Digest:
    """It attests the other row: inside the promoted index that would be believed."""
    return forger.index((forger.row("arm64"), "arm64", None), (forger.attestation(), "", forger.good["amd64"]))


def attestation_of_a_stranger(forger: Forger) -> Digest:
    return forger.index((forger.row("arm64"), "arm64", None), (forger.attestation(), "", STRANGER))


def attestation_by_subject(forger: Forger) -> Digest:
    """What it attests is said by its own `subject`, and not in the index."""
    return forger.index((forger.row("arm64"), "arm64", None), (forger.attestation(STRANGER), "arm64", None))


def stale(forger: Forger) -> Digest:
    """An image of older inputs, under the tag of those of now."""
    return forger.row("arm64", inputs="0" * 64)


def of_no_recipe(forger: Forger) -> Digest:
    return forger.row("arm64", inputs="")


def stale_in_an_index(forger: Forger) -> Digest:
    image = forger.row("arm64", inputs="0" * 64)
    return forger.index((image, "arm64", None), (forger.attestation(), "", image))


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (twice, "platform linux/arm64 is there 2 times"),
        (twice_under_two_names, "is called linux/s390x in the index and is linux/arm64 by its config"),
        (other_platform, "platform linux/amd64 is foreign"),
        (both_platforms, "platform linux/amd64 is foreign"),
        (child_missing, "(linux/arm64) is missing"),
        (attestation_missing, "(attestation) is missing"),
        (attestation_of_another, "which is not an image of this index"),
        (attestation_of_a_stranger, f"points at {STRANGER}, which is not an image of this index"),
        (attestation_by_subject, f"points at {STRANGER}, which is not an image of this index"),
        (stale, f"is of the inputs {'0' * 20}, not of"),
        (of_no_recipe, "is of no recipe, not of"),
        (stale_in_an_index, f"is of the inputs {'0' * 20}, not of"),
    ],
)
def test_a_row_that_is_not_what_its_tag_says(
    yard: PromotedYard, registry: Served, forge: Callable[[Forger], Digest], said: str
) -> None:
    client = registry.client()
    forger = Forger(yard, client)
    row = forger.name(yard.row_tag(BOTH, "arm64"), forge(forger))
    done = yard.inv("promote", BOTH)
    assert (done.code, done.out) == (10, ""), done.all
    assert said in done.err
    assert str(row) in done.err, "which row it is"
    assert state(client, yard.at(yard.index_tag(BOTH))) == Absent()
    forger.name(yard.row_tag(BOTH, "arm64"), forger.good["arm64"])
    mended = yard.inv("promote", BOTH)
    assert mended.code == 0, mended.all
    tool("crane", "manifest", yard.at(yard.index_tag(BOTH)))


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (twice, "belongs to none of the rows"),
        (other_platform, "is not in it"),
        (stale, "belongs to none of the rows"),
        (attestation_of_a_stranger, "belongs to none of the rows"),
    ],
)
def test_an_index_that_somebody_else_put_under_the_next_tag(
    yard: PromotedYard, registry: Served, forge: Callable[[Forger], Digest], said: str
) -> None:
    """It is refused, and not adopted; only a person moves the tag, and then to the rows."""
    client = registry.client()
    forger = Forger(yard, client)
    forged = forge(forger)
    target = forger.name(yard.index_tag(BOTH), forged)
    done = yard.inv("promote", BOTH)
    assert (done.code, done.out) == (10, ""), done.all
    assert said in done.err
    assert client.head(target)[0] == forged, "it was left as it is"
    moved = yard.inv("promote", BOTH, "--force")
    assert moved.code == 0, moved.all
    assert client.head(target)[0] != forged
    assert yard.inv("promote", BOTH).out == moved.out


def test_an_index_that_lost_a_child_is_not_passed_for_promoted(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    forger = Forger(yard, client)
    assert yard.inv("promote", BOTH).code == 0
    client.delete(yard.at().with_digest(forger.good["amd64"]))
    again = yard.inv("promote", BOTH)
    assert again.code == 7, "its row is gone with it, and has to be published again"
    assert f"inv push {BOTH} --arch amd64" in again.err


def test_a_row_that_lost_its_config_is_not_promoted(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    forger = Forger(yard, client)
    config = json.loads(client.get(yard.at().with_digest(forger.good["arm64"])).body)["config"]["digest"]
    layers = registry.storage / "docker/registry/v2/repositories" / yard.name / "_layers/sha256"
    (layers / config.removeprefix("sha256:") / "link").unlink()
    done = yard.inv("promote", BOTH)
    assert (done.code, done.out) == (10, ""), done.all
    assert f"its config {config} is missing" in done.err
    assert state(client, yard.at(yard.index_tag(BOTH))) == Absent()


def test_rows_of_two_commits_do_not_meet(yard: PromotedYard, registry: Served) -> None:
    """One row was published before the inputs changed, one after: each has its own tag, and no image has both."""
    client = registry.client()
    yard.publish_row(client, BOTH, "amd64")
    yard.write("both/word", "another\n")
    yard.commit()
    yard.publish_row(client, BOTH, "arm64")
    done = yard.inv("promote", BOTH)
    assert done.code == 7
    assert f"inv push {BOTH} --arch amd64" in done.err
    assert state(client, yard.at(yard.index_tag(BOTH))) == Absent()


def test_what_a_tree_tag_names_is_still_asked_for_its_recipe(yard: PromotedYard, registry: Served) -> None:
    """A tag of a git tree says nothing of args: rows of two builds of it would have the same tag."""
    client = registry.client()
    yard.edit("images.yml", "axes:\n", "tag: tree\naxes:\n")
    yard.commit()
    forger = Forger(yard, client)
    forger.name(yard.row_tag(BOTH, "arm64"), stale(forger))
    done = yard.inv("promote", BOTH)
    assert done.code == 10, done.all
    assert "is of the inputs" in done.err


def test_of_one_architecture_the_same_is_refused(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    yard.publish(client, ONE)
    assert yard.inv("promote", ONE).code == 0
    forger = Forger(yard, client)
    forger.name(yard.index_tag(ONE), forger.row("amd64"))
    done = yard.inv("promote", ONE)
    assert done.code == 10
    assert "is of the inputs" in done.err
