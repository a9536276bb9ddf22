"""`inv page` over a registry in memory and a repository of git: what it reads and tells, and that it only reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, Transient
from imageyard.keep.image_details import DetailReader
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.judgement import Judgement
from imageyard.keep.recorded_bases import bases_of_recipe, recorded_bases
from imageyard.keep.retain import RetainRequest, retain
from imageyard.keep.retention_facts import Claims, RetentionPolicy
from imageyard.keep.static_site import site_of
from imageyard.keep.write_page import write_page
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST, digest_of
from imageyard.oci.revocation import Revocation, mark, marker_tag
from imageyard.project.page_files import DATA, FILES, HTML
from imageyard.publishing import record_artifact
from imageyard.records import Finding, Record
from imageyard.registry.client import Client
from imageyard.registry.referrers import attach
from imageyard.registry.store import RegistryStore
from imageyard.registry.upload import push_bytes
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.git import commit_all, sh
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import platform, put_image, put_index

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
IMAGES = "ci/image"
SLSA = "https://slsa.dev/provenance/v0.2"


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def scene(home: Path, tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    made = scene_of(tmp_path, registry.client())
    commit_all(tmp_path)
    return made


def run(scene: Workplace, tmp_path: Path, now: datetime = START) -> dict[str, Any]:
    """The data of the page."""
    write_page(scene.project, scene.services, str(tmp_path / "site"), now)
    return read(tmp_path)


def read(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "site" / DATA).read_text())
    return found


def publish(scene: Workplace, registry: MemoryRegistry, name: str, arch: str, note: str = "", **more: Any) -> Digest:
    """A row of the checkout by digest, with its record beside it."""
    client, place = registry.client(), registry.reference(IMAGES)
    facts = scene.facts(name, arch)
    digest = put_image(client, place, note=f"{name} {arch} {note}", architecture=arch)
    given = {"commit": sh(scene.project.top, "rev-parse", "HEAD"), "seconds": 90.0, "recipe": facts.recipe.id, **more}
    record = Record(name, arch, "built", 0, "", "2025-12-31T12:00:00.000+00:00", tag=facts.tag, **given)
    record_artifact.attach(client, place, client.get(place.with_digest(digest)), record)
    return digest


def tag(registry: MemoryRegistry, digest: Digest, name: str) -> None:
    client, place = registry.client(), registry.reference(IMAGES)
    raw = client.get(place.with_digest(digest))
    client.put(place.with_tag(name), raw.body, raw.media_type)


def attestation(registry: MemoryRegistry, predicate: str) -> Digest:
    """What BuildKit puts beside an image in an index."""
    client, place = registry.client(), registry.reference(IMAGES)
    layer = {
        "mediaType": "application/vnd.in-toto+json",
        "digest": push_bytes(client, place, predicate.encode()),
        "size": len(predicate),
        "annotations": {"in-toto.io/predicate-type": predicate},
    }
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": push_bytes(client, place, b"{}"),
        "size": 2,
    }
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}).encode()
    return client.put(place.with_digest(digest_of(body)), body, OCI_MANIFEST)


def signed(registry: MemoryRegistry, digest: Digest) -> None:
    client, place = registry.client(), registry.reference(IMAGES)
    raw = client.get(place.with_digest(digest))
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {"mediaType": OCI_EMPTY, "digest": push_bytes(client, place, b"{}"), "size": 2},
        "layers": [],
        "subject": {"mediaType": raw.media_type, "digest": digest, "size": len(raw.body)},
    }
    attach(client, place, json.dumps(body).encode())


def test_an_index_says_what_its_platforms_are_made_of(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    well, bad = Finding("gcc", True, "12", "12"), Finding("gcc", False, "12", "13")
    amd64 = publish(scene, registry, "linux-leaf", "amd64", findings=(well,))
    arm64 = publish(scene, registry, "linux-leaf", "arm64", findings=(well, bad), recipe="0" * 64)
    proof = {"annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64}}
    rows = {amd64: platform("amd64"), arm64: platform("arm64"), attestation(registry, SLSA): proof}
    place = registry.reference(IMAGES)
    top = put_index(
        registry.client(), place.with_tag(scene.recipes.index_tag(scene.project.catalogue.images["linux-leaf"])), rows
    )
    signed(registry, top)
    (image,) = run(scene, tmp_path)["images"]
    assert (image["image"], image["tag_class"], image["stay"]) == ("linux-leaf", "content", "open")
    assert (image["digest"], image["signed"]) == (top, True)
    first, second = image["platforms"]
    assert (first["platform"], first["digest"], first["provenance"], first["checks"]) == (
        "linux/amd64",
        amd64,
        [SLSA],
        "passed",
    )
    document = registry.client().get(place.with_digest(amd64)).parsed()
    assert first["size"] == document.config.size + document.layers[0].size  # type: ignore[union-attr]
    parent = scene.recipes.of(scene.project.row("linux-middle-one", "amd64"))
    assert len(first["bases"]) == 1
    assert first["bases"][0].endswith(f"(recipe {parent.id[:12]})")
    assert (second["provenance"], second["checks"], second["bases"]) == ([], "failed", None)
    assert second["findings"] == ["gcc: expected 12, found 13"]


def test_a_revoked_image_says_why_until_it_is_taken_back(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    first, second = (publish(scene, registry, "linux-leaf", arch) for arch in ("amd64", "arm64"))
    tag(registry, first, "linux-leaf-one")
    tag(registry, second, "linux-leaf-two")
    store = RegistryStore(registry.client(), registry.reference(IMAGES))
    mark(store, Revocation(first, "it has a hole", "2026-01-01T00:00:00Z"))
    mark(store, Revocation(second, ""))
    shown = run(scene, tmp_path)["images"]
    assert {image["digest"]: image["revoked"] for image in shown} == {
        first: "it has a hole",
        second: "nobody said why",
    }, "and markers are no images"
    mark(store, Revocation(first, "it has none", undone=True))
    registry.faults = [Fault(f"GET .*manifests/{marker_tag(second)}", 403, times=99, code="DENIED")]
    with pytest.raises(Denied):
        run(scene, tmp_path)
    page = read(tmp_path)
    assert {image["revoked"] for image in page["images"]} == {None}
    assert page["repositories"][0]["troubles"][0].startswith("which of its images are revoked is not known: ")


def test_the_page_misses_no_revocation_where_the_list_of_tags_was_cut(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = publish(scene, registry, "linux-leaf", "amd64")
    tag(registry, digest, "linux-leaf-one")
    mark(RegistryStore(registry.client(), registry.reference(IMAGES)), Revocation(digest, "it has a hole"))
    monkeypatch.setattr(Client, "tags", lambda self, place: ("linux-leaf-one",) if place.name.endswith(IMAGES) else ())
    assert [image["revoked"] for image in run(scene, tmp_path)["images"]] == ["it has a hole"]


def test_a_row_alone_is_of_the_platform_that_its_record_or_its_config_names(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    tag(registry, publish(scene, registry, "linux-base", "arm64"), scene.facts("linux-base", "arm64").tag)
    bare = put_image(registry.client(), registry.reference(IMAGES), note="bare", architecture="s390x")
    tag(registry, bare, "theirs")
    found = {image["tags"][0]: image["platforms"] for image in run(scene, tmp_path)["images"]}
    assert found[scene.facts("linux-base", "arm64").tag][0]["platform"] == "linux/arm64"
    assert [(one["platform"], one["checks"]) for one in found["theirs"]] == [("linux/s390x", "unknown")]


def test_time_left_counts_from_the_first_retention_that_saw_an_image(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    digest = publish(scene, registry, "linux-base", "amd64", commit="0" * 40)
    tag(registry, digest, f"linux-base-{'0' * 20}")
    (image,) = run(scene, tmp_path, START + 400 * DAY)["images"]
    assert (image["stay"], image["pushed"]) == ("unknown", None)
    assert not (tmp_path / ".imageyard" / "retention").exists()
    retain(scene.project, scene.services, RetainRequest(), START)
    before = {path: path.read_bytes() for path in (tmp_path / ".imageyard" / "retention").iterdir()}
    (image,) = run(scene, tmp_path, START + 20 * DAY)["images"]
    assert (image["stay"], image["left"], image["pushed"]) == ("until", 10 * 86400, START.isoformat())
    assert before == {path: path.read_bytes() for path in (tmp_path / ".imageyard" / "retention").iterdir()}


def test_the_history_is_that_of_the_records(scene: Workplace, registry: MemoryRegistry, tmp_path: Path) -> None:
    for number, version in enumerate(("2.36", "2.36", "2.37")):
        facts = {"dpkg": (f"libc6\t{version}", "zlib1g\t1.2")}
        digest = publish(scene, registry, "linux-base", "amd64", str(number), facts=facts, seconds=float(number))
        tag(registry, digest, f"linux-base-{number:020x}")
    (found,) = run(scene, tmp_path)["histories"]
    assert (found["image"], found["arch"], len(found["points"])) == ("linux-base", "amd64", 3)
    assert sum(change["moved"] for change in found["changes"]) in (
        1,
        2,
    )  # of one start, they are in the order of digests
    assert {line["name"] for change in found["changes"] for line in change["lines"]} == {"libc6"}


def test_only_two_files_are_written_and_nothing_is_at_the_registry(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    tag(registry, publish(scene, registry, "linux-base", "amd64"), "linux-base")
    before, asked = {path for path in tmp_path.rglob("*") if ".git" not in path.parts}, len(registry.requests)
    run(scene, tmp_path)
    made = {path for path in tmp_path.rglob("*") if ".git" not in path.parts} - before
    assert made == {tmp_path / "site", *(tmp_path / "site" / file for file in FILES)}
    assert {request.partition(" ")[0] for request in registry.requests[asked:]} <= {"GET", "HEAD"}
    assert b"<!doctype html>" in (tmp_path / "site" / HTML).read_bytes()


@pytest.mark.parametrize(
    ("where", "status", "kind", "said", "images"),
    [
        (f"GET /v2/{IMAGES}/tags", 403, Denied, "it could not be read", ["of a branch"]),
        (f"GET /v2/{IMAGES}/tags", 500, Transient, "it could not be read", ["of a branch"]),
        (f"GET /v2/{IMAGES}/blobs", 403, Denied, "it could not be read", ["of a branch"]),
    ],
)
def test_what_a_registry_could_not_tell_is_on_the_page_and_the_rest_is_there(
    scene: Workplace,
    registry: MemoryRegistry,
    tmp_path: Path,
    where: str,
    status: int,
    kind: type[Exception],
    said: str,
    images: list[str],
) -> None:
    tag(registry, publish(scene, registry, "linux-base", "amd64"), "linux-base")
    branch = registry.reference("ci/branch")
    raw = registry.client().get(branch.with_digest(put_image(registry.client(), branch, note="branch")))
    registry.client().put(branch.with_tag("theirs"), raw.body, raw.media_type)
    registry.faults = [Fault(where, status=status, times=99)]
    with pytest.raises(kind):
        run(scene, tmp_path)
    found = read(tmp_path)
    trusted, other = found["repositories"]
    assert trusted["troubles"][0].startswith(said)
    assert other["troubles"] == []
    assert [image["tags"] for image in found["images"]] == [["theirs"]]
    assert "What could not be read" in (tmp_path / "site" / HTML).read_text()


def test_a_config_that_is_refused_costs_what_it_says_and_no_row(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    digest = put_image(registry.client(), registry.reference(IMAGES), note="bare")
    tag(registry, digest, "theirs")
    registry.faults = [Fault(f"GET /v2/{IMAGES}/blobs", status=403, times=99)]
    with pytest.raises(Denied):
        run(scene, tmp_path)
    found = read(tmp_path)
    assert found["repositories"][0]["troubles"][0].startswith("what its images are made of is not known of all")
    assert [(image["tags"], image["platforms"]) for image in found["images"]] == [(["theirs"], [])]


def test_a_record_that_cannot_be_understood_is_told_and_is_no_failure(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    client, place = registry.client(), registry.reference(IMAGES)
    digest = publish(scene, registry, "linux-base", "amd64")
    tag(registry, digest, "linux-base")
    raw = client.get(place.with_digest(digest))
    content = b"<script>"
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": record_artifact.ARTIFACT_TYPE,
        "config": {"mediaType": OCI_EMPTY, "digest": push_bytes(client, place, b"{}"), "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": push_bytes(client, place, content), "size": len(content)}],
        "subject": {"mediaType": raw.media_type, "digest": digest, "size": len(raw.body)},
    }
    attach(client, place, json.dumps(body).encode())
    found = run(scene, tmp_path)
    assert found["repositories"][0]["troubles"] == ["1 record beside its images could not be read"]
    assert found["images"][0]["platforms"][0]["commit"]


def test_a_shallow_clone_costs_the_time_left_and_nothing_else(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path, home: Path
) -> None:
    tag(registry, publish(scene, registry, "linux-base", "amd64"), "linux-base")
    clone = tmp_path / "clone"
    sh(tmp_path, "commit", "-q", "--allow-empty", "-m", "second")
    sh(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}", str(clone))
    shallow = scene_of(clone, registry.client())
    with pytest.raises(EnvironmentLacks, match="shallow"):
        run(shallow, tmp_path)
    found = read(tmp_path)
    assert found["troubles"][0].startswith("for how long images stay is not known")
    assert [(image["tag_class"], image["stay"]) for image in found["images"]] == [("floating", "unknown")]


def test_caches_are_no_images(home: Path, tmp_path: Path, registry: MemoryRegistry) -> None:
    text = f"{CATALOGUE}cache: {{trusted: registry.test/ci/cache, branch: registry.test/ci/cache-branch}}\n"
    scene = scene_of(tmp_path, registry.client(), **{"images.yml": text})
    commit_all(tmp_path)
    assert [one["kind"] for one in run(scene, tmp_path)["repositories"]] == ["trusted", "branch"]


def test_a_place_that_cannot_be_is_refused_before_anything_is_asked(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentLacks):
        write_page(scene.project, scene.services, str(tmp_path / "file" / "site"), START)
    for to in (None, "s3://", "s3:///images"):
        with pytest.raises(ConfigurationError):
            write_page(scene.project, scene.services, to, START)
    assert registry.requests == []


@pytest.mark.parametrize(
    ("to", "name"),
    [
        (None, "s3://acme-site/ci"),
        ("s3://acme-site", "s3://acme-site"),
        ("s3://acme-site/", "s3://acme-site"),
        ("s3://other/a/b/", "s3://other/a/b"),
    ],
)
def test_where_the_page_goes(tmp_path: Path, to: str | None, name: str) -> None:
    scene = scene_of(tmp_path, **{"images.yml": f"{CATALOGUE}page: {{bucket: acme-site, prefix: ci}}\n"})
    assert site_of(to, scene.project.catalogue, scene.services).name == name


def test_who_deletes_and_who_shows_decide_alike(scene: Workplace, registry: MemoryRegistry, tmp_path: Path) -> None:
    for number in range(3):
        tag(registry, publish(scene, registry, "linux-base", "amd64", str(number)), f"linux-base-{number:020x}")
    retain(scene.project, scene.services, RetainRequest(), START)
    later = START + 400 * DAY
    sh(tmp_path, "commit", "-q", "--allow-empty", "-m", "later")
    report = tmp_path / "report.json"
    retain(scene.project, scene.services, RetainRequest(report=report, share=1.0), later)
    said = {one["digest"]: one["goes"] for one in json.loads(report.read_text())["repositories"][0]["items"]}
    shown = {image["digest"]: image["stay"] == "goes" for image in run(scene, tmp_path, later)["images"]}
    assert shown.items() <= said.items()
    assert len(shown) == 3


def test_bases_are_those_of_the_recipe_at_the_commit_of_the_record(scene: Workplace, tmp_path: Path) -> None:
    facts = scene.facts("linux-leaf")
    commit = sh(tmp_path, "rev-parse", "HEAD")
    record = Record("linux-leaf", "amd64", "built", 0, "", "2026-01-01T00:00:00+00:00", facts.recipe.id, commit=commit)
    assert recorded_bases(scene.project, [record]) == {facts.recipe.id: bases_of_recipe(facts.recipe)}
    for wrong in (replace(record, commit="0" * 40), replace(record, recipe="0" * 64), replace(record, arch="s390x"),
                  replace(record, commit="--help")):  # fmt: skip
        assert recorded_bases(scene.project, [wrong]) == {}


def test_facts_share_their_lines(scene: Workplace, registry: MemoryRegistry) -> None:
    """Thousands of records say the same of most packages."""
    for number in range(2):
        digest = publish(scene, registry, "linux-base", "amd64", str(number), facts={"dpkg": ("a package\t1",)})
        tag(registry, digest, f"linux-base-{number:020x}")
    reader = InventoryReader(registry.client(), registry.reference(IMAGES), {})
    inventory = reader.read(START)
    tagged = [digest for digest, one in inventory.manifests.items() if one.tags]
    found = DetailReader(reader, inventory).read(tagged)
    lines = [one.record.facts["dpkg"][0] for images in found.platforms.values() for one in images if one.record]
    assert len(lines) == 2
    assert lines[0] is lines[1]


def test_what_is_of_another_recipe_version_is_learnt_and_stays_longer(registry: MemoryRegistry) -> None:
    place = registry.reference(IMAGES)
    digest = put_image(registry.client(), place, note="of before")
    tag(registry, digest, f"linux-base-{'0' * 20}")
    reader = InventoryReader(registry.client(), place, {})
    inventory = reader.read(START)
    claims = Claims(frozenset({"linux-base"}))
    for by_content, goes in ((True, False), (False, True)):
        judgement = Judgement(claims, RetentionPolicy(share=1.0), "trusted", None, by_content)
        plan = judgement.plan(inventory, reader, START + 31 * DAY)
        assert plan.verdicts[digest].goes is goes
        assert judgement.claims.unversioned == frozenset({digest} if by_content else ())
