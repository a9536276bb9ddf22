"""What a job hands over: references of what exists, by digest, and plain words about what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imageyard.names import parse_reference
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served, put_image, tool
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard
from support.yard.scratch import ARCH


@pytest.fixture
def yard(registry: Served, tmp_path: Path) -> PromotedYard:
    return make_promoted_yard(registry, tmp_path)


def test_references_are_by_digest_with_their_copies(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    yard.publish(client, ONE)
    yard.publish(client, BOTH)
    assert yard.inv("mirror", ONE).code == 0
    done = yard.inv("refs", "*", "--json")
    assert done.code == 0, done.all
    found = json.loads(done.out)
    assert found["absent"] == []
    assert [(one["image"], one["arch"]) for one in found["references"]] == [
        (ONE, None), (ONE, ARCH), (BOTH, None), (BOTH, "amd64"), (BOTH, "arm64"),
    ]  # fmt: skip
    for one in found["references"]:
        reference = parse_reference(one["reference"])
        assert reference.digest == tool("crane", "digest", yard.at(one["tag"]))
        mirror = parse_reference(yard.project().catalogue.mirrors[0])
        assert one["mirrors"] == ([str(mirror.with_digest(reference.digest))] if one["image"] == ONE else [])


def test_what_is_absent_is_listed_as_absent(yard: PromotedYard, registry: Served) -> None:
    yard.publish(registry.client(), ONE)
    yard.publish_row(registry.client(), BOTH, "amd64")
    done = yard.inv("refs", "*", "--json")
    assert done.code == 7
    assert "inv plan" in done.err
    found = json.loads(done.out)
    assert [(one["image"], one["arch"]) for one in found["absent"]] == [(BOTH, None), (BOTH, "arm64")]
    assert {one["image"] for one in found["references"]} == {ONE, BOTH}
    existing = yard.inv("refs", "*", "--json", "--existing")
    assert (existing.code, json.loads(existing.out)) == (0, found)
    assert "absent in" in yard.inv("refs", BOTH).out


def test_what_is_not_known_is_neither(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    yard.publish(client, ONE)
    with running(Proxy(registry.host)) as proxy:
        yard.edit("images.yml", f"trusted: {registry.host}/{yard.name}, b", f"trusted: {proxy.host}/{yard.name}, b")
        proxy.faults = [Fault("manifests/linux", status=403)]
        for existing in ([], ["--existing"]):
            done = yard.inv("refs", ONE, "--json", *existing)
            assert done.code == 8
            assert json.loads(done.out)["references"] == []
    other = client.get(yard.at().with_digest(put_image(client, yard.at(), architecture="s390x")))
    yard.edit("images.yml", proxy.host, registry.host)
    client.put(yard.at(yard.index_tag(ONE)), other.body, other.media_type)
    done = yard.inv("refs", ONE, "--existing")
    assert done.code == 10
    assert "is for linux/s390x" in done.err


def test_a_mirror_that_does_not_say_is_told_and_does_no_harm(yard: PromotedYard, registry: Served) -> None:
    yard.publish(registry.client(), ONE)
    with running(Proxy(registry.host)) as proxy:
        yard.edit("images.yml", f"mirrors: [{registry.host}", f"mirrors: [{proxy.host}")
        proxy.faults = [Fault("manifests/linux", status=403)]
        done = yard.inv("refs", ONE, "--json")
    assert done.code == 0
    assert "did not say what it has" in done.err
    assert [one["mirrors"] for one in json.loads(done.out)["references"]] == [[], []]


@pytest.mark.parametrize(("at", "branch"), [(["--at", "branch"], True), (["--at", "trusted"], False), ([], False)])
def test_the_repository_is_the_one_that_is_asked_for(
    yard: PromotedYard, registry: Served, at: list[str], branch: bool
) -> None:
    yard.publish(registry.client(), ONE, branch=branch)
    done = yard.inv("refs", ONE, *at)
    assert done.code == 0, done.all
    assert f"{yard.at(branch=branch)}@sha256:" in done.out
    other = yard.inv("refs", ONE, "--at", "trusted" if branch else "branch")
    assert other.code == 7


@pytest.mark.parametrize("status", [401, 404])
def test_a_job_without_credentials_is_handed_the_mirrors(yard: PromotedYard, registry: Served, status: int) -> None:
    """Where the repository refuses us, or has it no more, the copy that a trusted run made is as good."""
    digest = yard.publish(registry.client(), ONE)
    assert yard.inv("mirror", ONE).code == 0
    with running(Proxy(registry.host)) as proxy:
        yard.edit("images.yml", f"trusted: {registry.host}/{yard.name}, b", f"trusted: {proxy.host}/{yard.name}, b")
        words = {"Docker-Distribution-Api-Version": "registry/2.0"}
        proxy.faults = [Fault("manifests/linux", status=status, headers=words)]
        done = yard.inv("refs", ONE, "--json")
    assert done.code == 0, done.all
    mirror = parse_reference(yard.project().catalogue.mirrors[0])
    assert {one["reference"] for one in json.loads(done.out)["references"]} == {str(mirror.with_digest(digest))}
