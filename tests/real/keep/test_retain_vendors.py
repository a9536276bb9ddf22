"""`inv retain` at the registries of Amazon and GitHub: stand-ins list and delete, a real registry is behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from imageyard.errors import Transient
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Digest
from imageyard.oci.manifests import digest_of
from imageyard.project.project import Project
from imageyard.project.recipes import recipes_of
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors import ghcr
from support.aws.images import Archive, EcrImages
from support.aws.moto import moto_in_reach
from support.building.checkout import scene_of
from support.git import commit_all, sh
from support.github.served import GitHub, github
from support.keep.modelled import CATALOGUE, Repository
from support.keep.second_model import DAY, survivors
from support.registry.faults import running
from support.registry.named import named
from support.registry.pullable import validate
from support.registry.served import Served, collected, serve
from support.services import services

NOW = datetime.now(timezone.utc)
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def old(number: int) -> str:
    return f"linux-base-{number:020x}"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry"))


def checkout(top: Path, name: str) -> tuple[Project, str]:
    """A project whose images are at `name`, and the tag of its row."""
    made = scene_of(top, **{"images.yml": CATALOGUE.format(name=name)})
    commit_all(top)
    sh(top, "branch", "-M", "main")
    return made.project, recipes_of(made.project).tag(made.project.catalogue.rows[0])


def fill(at: Repository, kept: str, loose: int) -> dict[str, Digest]:
    """Images of many ages; those of the same name in both registries."""
    found = {name: at.put(name) for name in ("kept", "amd64", "arm64", "own", "shared", "signed")}
    at.tag(kept, found["kept"])
    at.world.reachable_tags = {kept: "0" * 40}
    found["old"] = at.put("old", children=[found["own"], found["shared"]])
    at.tag(old(1), found["old"])
    found["development"] = at.put("development", children=[found["shared"], found["arm64"]])
    at.tag("linux-base", found["development"])
    at.tag(old(2), found["signed"])
    found["signature"] = at.put("signature", subject=found["signed"])
    for number in range(loose):
        found[f"loose {number}"] = at.put(f"loose {number}", age=2 * DAY)
        at.tag(f"tmp-{number}", found[f"loose {number}"])
    return found


def checked(at: Repository, own: Served, report: Path, before: set[str]) -> None:
    """What stays is what the second model says, and is pulled whole; the report has a reason for each."""
    stay = survivors(at.world)
    assert at.there() == stay
    collected(own)
    for digest in stay:
        if not at.world.manifests[digest]["subject"]:
            validate(at.place.with_digest(Digest(digest)))
    (repository,) = json.loads(report.read_text())["repositories"]
    assert {one["digest"] for one in repository["items"]} == before
    assert {one["digest"] for one in repository["items"] if one["deleted"]} == before - stay


def restored(top: Path, gone: set[str], unreadable: set[str]) -> None:
    """The restore records have all that is gone, with its bytes where these can be read."""
    records = [json.loads(path.read_text()) for path in (top / ".imageyard").rglob("*.restore.json")]
    assert {record["state"] for record in records} == {"complete"}
    assert {digest for record in records for digest in record["deleted"]} == gone
    bodies = {item["digest"]: item["manifest"] for record in records for item in record["items"]}
    assert {digest for digest in gone if bodies[digest] is None} == unreadable
    for digest in gone - unreadable:
        assert digest_of(base64.b64decode(bodies[digest])) == digest


def test_ecr(tmp_path: Path, own: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archived images, pulls (goharbor/harbor#22390), pages, batches, and what ECR refuses."""
    at = Repository(own.client(), own.reference("ci/images"))
    project, kept = checkout(tmp_path, f"{ECR}/ci/images")
    found = fill(at, kept, 105)
    now, facts = at.world.now, at.world.manifests

    pulled = at.put("pulled", children=[found["amd64"], found["arm64"]])
    at.tag(old(3), pulled)
    facts[found["amd64"]]["pulled"] = now - DAY
    for name, age, days in (("archived lately", 300, 30), ("archived long ago", 300, 100)):
        found[name] = at.put(name, age=age * DAY)
        at.tag(old(days), found[name])
        facts[found[name]] |= {"archived": True, "archived_at": now - days * DAY}
    part = at.put("part of what is archived", age=700 * DAY)
    hidden = at.put("archived index", age=600 * DAY, children=[part])
    facts[hidden] |= {"archived": True, "archived_at": now - 10 * DAY, "children": None}

    with moto_in_reach(monkeypatch) as moto, running(Archive(own.host, at)) as registry:
        api = EcrImages(urlsplit(moto).netloc, at, NOW)
        api.keep()
        with running(api):
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{api.host}")
            client = Client(credentials=lambda _: None, make_pool=named(ECR, registry.host))
            before, report = set(facts), tmp_path / "report.json"
            stay = survivors(at.world)
            assert {pulled, found["amd64"], found["arm64"], found["archived lately"], part, hidden} <= stay
            assert not {found["archived long ago"], found["old"], found["signature"]} & stay

            api.refuse = {found["old"]: "KmsError"}
            with pytest.raises(Transient, match="KmsError, says the test"):
                retain(project, services(client), RetainRequest(yes=True, report=report), NOW)
            assert at.there() == stay | {found["old"], found["own"]}, "and all else goes on"
            (told,) = json.loads(report.read_text())["repositories"]
            assert {one["digest"] for one in told["items"] if one["refused"]} == {found["old"], found["own"]}

            for digest in before - at.there():
                facts.pop(digest)
            before, api.refuse = set(facts), {}
            retain(project, services(client), RetainRequest(yes=True, report=report), NOW)
    _unarchived(at)
    checked(at, own, report, before)
    restored(tmp_path, set(at.lists) - at.there(), {found["archived long ago"]})
    asked = [given for operation, given in api.calls if operation == "DescribeImages"]
    assert all(given["filter"] == {"imageStatus": "ANY"} for given in asked)
    assert sum("nextToken" in given for given in asked) > 3, "the list has pages"
    deleted = [len(given["imageIds"]) for operation, given in api.calls if operation == "BatchDeleteImage"]
    assert (max(deleted), len(deleted) > 3) == (100, True)


def _unarchived(at: Repository) -> None:
    """The model's view of what stays is the same when the list of the archived index can be read again."""
    for digest, it in at.world.manifests.items():
        it["children"] = at.lists[digest]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with github() as found:
        monkeypatch.setattr(ghcr, "API", found.url)
        yield found


def test_ghcr(tmp_path: Path, own: Served, hub: GitHub) -> None:
    """Versions of a package: pages of 100, deletion by number, and one that GitHub does not delete."""
    at = Repository(own.client(), own.reference("acme/images"))
    project, kept = checkout(tmp_path, "ghcr.io/acme/images")
    found = fill(at, kept, 100)
    package = "orgs/acme/packages/container/images"
    hub.packages = {package: {"name": "images"}}
    hub.versions = {package: [_version(at, number, digest) for number, digest in enumerate(at.world.manifests)]}
    number = {one["name"]: str(one["id"]) for one in hub.versions[package]}
    client = Client(credentials=lambda _: Credential("acme", hub.token), make_pool=named(ghcr.HOST, own.host))
    before, stay, report = set(at.world.manifests), survivors(at.world), tmp_path / "report.json"

    def left() -> set[str]:
        return {one["name"] for one in hub.versions[package]}

    hub.kept = {number[found["old"]]: "versions with more than 5000 downloads stay"}
    with pytest.raises(Transient, match="5000 downloads"):
        retain(project, services(client), RetainRequest(yes=True, report=report), NOW)
    assert left() == stay | {found["old"], found["own"]}, "GitHub itself would delete what the image lists"

    hub.kept = {}
    before = left()
    for digest in set(at.world.manifests) - before:
        at.world.manifests.pop(digest)
    retain(project, services(client), RetainRequest(yes=True, report=report), NOW)
    assert left() == stay
    gone = set(at.lists) - stay
    for digest in gone:
        at.client.delete(at.place.with_digest(Digest(digest)))
    checked(at, own, report, before)
    restored(tmp_path, gone, set())
    assert any("page=2" in request for request in hub.pages), "the list has pages"


def _version(at: Repository, number: int, digest: str) -> dict[str, Any]:
    it = at.world.manifests[digest]
    pushed = datetime.fromtimestamp(NOW.timestamp() - (at.world.now - it["pushed"]), timezone.utc)
    made = pushed.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": number, "name": digest, "created_at": made, "metadata": {"container": {"tags": list(it["tags"])}}}
