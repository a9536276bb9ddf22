"""`inv retain` over a registry in memory and a repository of git: what goes, and what is written before."""

from __future__ import annotations

import base64
import json
import threading
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, ImageyardError, PolicyRefused, Transient
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.kept_commits import read_kept_commits
from imageyard.keep.recipe_versions import unversioned
from imageyard.keep.retain import RetainRequest, repositories
from imageyard.keep.retain_state import RepositoryState
from imageyard.keep.retention_ecr import CANNOT, ecr_policies, lifecycle
from imageyard.keep.retention_facts import RepositoryKind
from imageyard.keep.retention_policy import policy_of, window_of
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import digest_of
from imageyard.oci.revocation import NOTICE_TAG, marker_tag
from imageyard.project.recipes import recipes_of
from imageyard.publishing import record_artifact
from imageyard.records import Record
from imageyard.registry import blobs
from imageyard.registry.client import Client
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.git import commit_all, sh
from support.keep.published import BRANCH, IMAGES, LATER, OLD, START, published, put, run, seen
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import platform, put_index


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def scene(home: Path, tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    made = scene_of(tmp_path, registry.client())
    commit_all(tmp_path)
    return made


def test_what_nothing_keeps_goes_and_all_else_is_whole(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    found = published(scene, registry)
    before = registry.manifests(IMAGES)
    seen(scene)
    run(scene, LATER, RetainRequest(share=1.0))
    assert registry.manifests(IMAGES) == before, "a dry run deletes nothing"
    report = tmp_path / "report.json"
    run(scene, LATER, RetainRequest(yes=True, share=1.0, report=report))
    kept = {tag for tag in found if not tag.startswith(OLD)}
    assert set(registry.tags(IMAGES)) == kept
    assert len(registry.manifests(IMAGES)) == 4 + 3, "with the rows: an index, what it shares with an old one, a record"
    items = json.loads(report.read_text())["repositories"][0]["items"]
    assert {one["digest"] for one in items} == before
    assert {one["digest"] for one in items if one["deleted"]} == before - registry.manifests(IMAGES)
    assert all(one["reason"] for one in items)


def test_the_restore_record_holds_all_that_went_byte_for_byte(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    published(scene, registry)
    before = registry.manifests(IMAGES)
    seen(scene)
    run(scene)
    (path,) = (tmp_path / ".imageyard" / "retention").glob("*.restore.json")
    content = json.loads(path.read_text())
    gone = before - registry.manifests(IMAGES)
    assert (content["state"], set(content["deleted"])) == ("complete", gone)
    assert {digest_of(base64.b64decode(one["manifest"])) for one in content["items"]} == gone


class Killed(BaseException):
    """Stands for the end of the process at a request."""


@pytest.mark.parametrize("after", [False, True], ids=["before the deletion", "after it"])
def test_wherever_a_run_dies_the_next_one_ends_well(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    ended = set()
    for point in (1, 2, 5, 9):
        registry = MemoryRegistry()
        top = tmp_path / str(point)
        top.mkdir()
        scene = scene_of(top, registry.client())
        commit_all(top)
        found = published(scene, registry)
        seen(scene)
        registry.faults = [Fault("^DELETE", times=1, error=Killed(), after=after)]
        skipped = iter(range(1, point))
        faulty = registry._faulty
        monkeypatch.setattr(
            registry,
            "_faulty",
            lambda request, answer, faulty=faulty, skipped=skipped: (
                answer() if request.startswith("DELETE") and next(skipped, None) else faulty(request, answer)
            ),
        )
        try:
            run(scene)
        except Killed:
            ended.add(point)
        kept = {tag: digest for tag, digest in found.items() if not tag.startswith(OLD)}
        assert kept.items() <= registry.tags(IMAGES).items()
        run(scene)
        assert registry.tags(IMAGES) == kept
        assert len(registry.manifests(IMAGES)) == 4 + 3
        for path in (top / ".imageyard" / "retention").glob("*.restore.json"):
            content = json.loads(path.read_text())
            assert content["state"] in ("complete", "completed later")
            assert not set(content["deleted"]) & registry.manifests(IMAGES)
    assert ended == {1, 2, 5, 9}


def test_what_is_tagged_during_the_run_stays(scene: Workplace, registry: MemoryRegistry) -> None:
    found = published(scene, registry)
    seen(scene)
    client, place, saved = registry.client(), registry.reference(IMAGES), found[f"{OLD}1"]
    raw = client.get(place.with_digest(saved))
    done = []

    def someone(request: str) -> None:
        if request.startswith("GET") and "/blobs/" in request and not done:  # the labels of what would go are read
            done.append(request)
            client.put(place.with_tag("mine"), raw.body, raw.media_type)

    registry.before = someone
    run(scene)
    assert done
    assert registry.tags(IMAGES)["mine"] == saved
    assert {entry.digest for entry in raw.parsed().manifests} <= registry.manifests(IMAGES)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(f"GET /v2/{IMAGES}/tags", status=403, times=9), Denied),
        (Fault(f"GET /v2/{IMAGES}/tags", status=500, times=99), Transient),
        (Fault(f"(HEAD|GET) /v2/{IMAGES}/manifests/sha", status=403, times=99), Denied),
    ],
)
def test_a_repository_that_cannot_be_read_is_left_alone_and_the_others_go_on(
    scene: Workplace, registry: MemoryRegistry, fault: Fault, kind: type[Exception]
) -> None:
    published(scene, registry)
    put(registry, f"{OLD}7", "of a branch", BRANCH)
    before = registry.manifests(IMAGES)
    seen(scene)
    registry.faults = [fault]
    with pytest.raises(kind):
        run(scene)
    registry.faults = []
    assert registry.manifests(IMAGES) == before
    assert registry.manifests(BRANCH) == set()


def test_a_list_that_is_not_what_is_there_means_hands_off(scene: Workplace, registry: MemoryRegistry) -> None:
    """A tag that is listed, and not there, twice: the list may be wrong for others, too."""
    found = published(scene, registry)
    seen(scene)
    registry.lose(IMAGES, found["linux-base"])
    before = registry.manifests(IMAGES)
    with pytest.raises(Transient, match="lists the tag linux-base and does not have it"):
        run(scene)
    assert registry.manifests(IMAGES) == before


def test_a_tag_that_goes_while_it_is_read_stops_nothing(scene: Workplace, registry: MemoryRegistry) -> None:
    found = published(scene, registry)
    seen(scene)
    registry.faults = [Fault("(HEAD|GET) .*manifests/linux-base$", status=404, code="MANIFEST_UNKNOWN", times=2)]
    run(scene)
    assert set(registry.tags(IMAGES)) == {tag for tag in found if not tag.startswith(OLD)}


def test_too_many_or_an_earlier_time_and_nothing_goes(scene: Workplace, registry: MemoryRegistry) -> None:
    published(scene, registry)
    before = registry.manifests(IMAGES)
    seen(scene)
    for request in (RetainRequest(yes=True, share=1.0, most=3), RetainRequest(yes=True, share=0.1)):
        with pytest.raises(PolicyRefused, match="nothing of"):
            run(scene, LATER, request)
    with pytest.raises(EnvironmentLacks, match="backwards"):
        run(scene, START - timedelta(days=1))
    assert registry.manifests(IMAGES) == before


def test_a_report_that_cannot_be_written_ends_it_first(scene: Workplace, registry: MemoryRegistry) -> None:
    published(scene, registry)
    seen(scene)
    asked = len(registry.requests)
    with pytest.raises(EnvironmentLacks):
        run(scene, LATER, RetainRequest(yes=True, share=1.0, report=Path("/nowhere/at/all.json")))
    assert len(registry.requests) == asked


def test_another_recipe_version_is_judged_by_age_alone(scene: Workplace, registry: MemoryRegistry) -> None:
    now = {"config": {"Labels": {"io.imageyard.recipe-version": "2"}}}
    put(registry, f"{OLD}1", "of now", **now)
    put(registry, f"{OLD}2", "of before")
    seen(scene)
    run(scene, START + timedelta(days=31))
    assert set(registry.tags(IMAGES)) == {f"{OLD}2"}
    run(scene, START + timedelta(days=91))
    assert registry.tags(IMAGES) == {}


def test_commits_and_files_of_kept_branches(scene: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tags of the commit that the window begins with count, and those before it do not."""
    tags = []
    for number, day in enumerate(("2026-01-01", "2026-03-01", "2026-05-20", "2026-06-20")):
        (tmp_path / "word").write_text(f"{number}\n")
        sh(tmp_path, "add", "-A")
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{day}T00:00:00Z")
        sh(tmp_path, "commit", "-qm", day)
        tags.append(recipes_of(scene.project).tag(scene.project.row("linux-base", "amd64")))
    digest = f"sha256:{'d' * 64}"
    (tmp_path / "deploy.yml").write_text(
        f"image: registry.test/ci/image:{OLD}1\nother: registry.test/ci/image@{digest}\nTAG={OLD}2\n"
    )
    commit_all(tmp_path, "refers")
    now = datetime(2026, 7, 1, tzinfo=timezone.utc)
    kept = read_kept_commits(scene.project, scene.services.reporter, now)
    assert [tag in kept.claims.reachable for tag in tags] == [False, False, True, True]
    claims = kept.claims_at(scene.project, repositories(scene.project.catalogue)[0][0])
    assert claims.pinned_tags == {f"{OLD}1", f"{OLD}2"}, "a tag of ours may stand alone"
    assert claims.pinned_digests == {digest}


def test_without_history_nothing_is_known(home: Path, scene: Workplace, tmp_path: Path) -> None:
    sh(tmp_path, "checkout", "-qb", "mine")
    with pytest.raises(EnvironmentLacks, match="no branch of main"):
        run(scene)


def test_a_tip_that_cannot_be_read_ends_it_and_one_without_a_catalogue_keeps_nothing(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    readable = (tmp_path / "images.yml").read_bytes()
    (tmp_path / "images.yml").write_text("images: {base: [of an older grammar]}\n")
    sh(tmp_path, "commit", "-qam", "broken")
    published(scene, registry)
    before = registry.manifests(IMAGES)
    with pytest.raises(EnvironmentLacks, match="the tip of a kept branch, cannot be read"):
        run(scene)
    assert registry.manifests(IMAGES) == before
    (tmp_path / "images.yml").unlink()
    sh(tmp_path, "commit", "-qam", "none")
    (tmp_path / "images.yml").write_bytes(readable)
    assert read_kept_commits(scene.project, scene.services.reporter, LATER).claims.reachable == {}


def test_the_policy_of_a_catalogue(home: Path, tmp_path: Path) -> None:
    section = "retention: {trusted: 60d, grace: 3h, most: 7, share: 20%, window: 2d, backed_up: [content]}\n"
    catalogue = scene_of(tmp_path, **{"images.yml": section + CATALOGUE}).project.catalogue
    policy = policy_of(catalogue, "trusted")
    assert (policy.content, policy.grace, policy.most, policy.share) == (
        timedelta(days=60), timedelta(hours=3), 7, 0.2,
    )  # fmt: skip
    assert policy_of(catalogue, "branch").content == timedelta(days=14)
    assert policy_of(catalogue, "trusted", most=1, share=0.5).most == 1
    assert policy.backed_up == {"content"}
    assert window_of(catalogue) == timedelta(days=2)


def test_the_nearest_policy_of_ecr(scene: Workplace) -> None:
    found: dict[str, Any] = ecr_policies(scene.project.catalogue)
    assert found["cannot_say"] == list(CANNOT)
    rules = found["trusted"]["rules"]
    assert [rule["rulePriority"] for rule in rules] == list(range(1, len(rules) + 1))
    archived = [rule for rule in rules if rule["selection"].get("storageClass") == "archive"]
    assert archived[0]["selection"]["countNumber"] >= 90
    assert [rule["action"]["type"] for rule in rules] == ["expire"] * 4 + ["transition", "expire"]


@pytest.mark.parametrize("kind", ["trusted", "branch"])
@pytest.mark.parametrize("tag", [NOTICE_TAG, marker_tag(Digest(f"sha256:{'a' * 64}")), f"sha256-{'b' * 64}.sig"])
def test_the_policy_of_ecr_never_takes_a_revocation(scene: Workplace, kind: RepositoryKind, tag: str) -> None:
    """The first rule whose patterns all fit has the last word on an image; one that is archived is not found."""
    rules = lifecycle(scene.project.catalogue, kind)["rules"]
    selections = [rule["selection"] for rule in rules]
    fitting = [
        one
        for one in selections
        if one["tagStatus"] == "any"
        or (one["tagStatus"] == "tagged" and all(fnmatchcase(tag, pattern) for pattern in one["tagPatternList"]))
    ]
    assert fitting[0]["countNumber"] >= 36_500
    assert fitting[0]["countType"] == "sinceImagePushed"


def test_an_inventory_finds_what_has_no_tag(registry: MemoryRegistry) -> None:
    client, place = registry.client(), registry.reference(IMAGES)
    rows = {put(registry, None, arch): platform(arch) for arch in ("amd64", "arm64")}
    index = put_index(client, place.with_tag("linux-base"), rows)
    record = Record("linux-base", "amd64", "built", 0, "", started="2026-01-01T00:00:00.000+00:00", commit="c0ffee")
    beside = record_artifact.attach(client, place, client.get(place.with_digest(index)), record)
    loose = put(registry, None, "loose")
    reader = InventoryReader(client, place, {})
    found = reader.read(START).manifests
    assert set(found) == {index, beside, *rows}, "what nothing leads to is in no list of this registry"
    assert set(found[index].children or ()) == set(rows)
    assert (found[beside].subject, found[beside].commit) == (index, "c0ffee")
    assert loose in InventoryReader(client, place, {loose: START}).read(LATER).manifests, "it was seen before"
    assert InventoryReader(client, registry.reference("no/such"), {}).read(START).manifests == {}
    assert unversioned(reader, [index]) == {index}


SIGHTINGS: dict[str, tuple[str | None, type[ImageyardError] | None]] = {
    # what a cache gives back instead of the times that were kept, and how the run ends
    "it was lost": (None, None),
    "it is of before anything was seen": ("{}", None),
    "it knows other images": (json.dumps({f"sha256:{'a' * 64}": START.isoformat()}), None),
    "its times are later than now": ("LATE", EnvironmentLacks),
    "its times have no zone": ("NAIVE", ConfigurationError),
    "its times are words": ("WORDS", ConfigurationError),
}


@pytest.mark.parametrize(("given", "error"), SIGHTINGS.values(), ids=SIGHTINGS)
def test_times_that_were_lost_or_are_wrong_make_nothing_old(
    scene: Workplace, registry: MemoryRegistry, given: str | None, error: type[ImageyardError] | None
) -> None:
    """But for times that are too early: who writes them makes images old, and there is nothing to compare them with."""
    published(scene, registry)
    seen(scene)
    before = registry.manifests(IMAGES)
    state = RepositoryState(scene.project.state / "retention", registry.reference(IMAGES))
    times = {"LATE": (LATER + timedelta(days=1)).isoformat(), "NAIVE": "2026-01-01T00:00:00", "WORDS": "long ago"}
    if given is None:
        state.file.unlink()
    else:
        wrong = dict.fromkeys(state.first_seen, times[given]) if given in times else json.loads(given)
        content = json.loads(state.file.read_text())
        state.file.write_text(json.dumps({**content, "first_seen": wrong}))
    if error is None:
        run(scene)
    else:
        with pytest.raises(error):
            run(scene)
    assert registry.manifests(IMAGES) == before


def test_records_are_read_side_by_side_each_once(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read ends before another has begun: one by one they would wait for ever. What failed is read again."""
    client, place = registry.client(), registry.reference(IMAGES)
    images = [put(registry, f"linux-base-{note}", note) for note in ("one", "two", "three")]
    for digest in images:
        record = Record("linux-base", "amd64", "built", 0, "", started="2026-01-01T00:00:00.000+00:00", commit="c0ffee")
        record_artifact.attach(client, place, client.get(place.with_digest(digest)), record)
    reader, asked, together = InventoryReader(client, place, {}), list[str](), threading.Barrier(3)
    real = blobs.read

    def read(client: Client, repository: Reference, digest: Digest) -> bytes:
        asked.append(digest)
        together.wait(timeout=60)
        if len(asked) <= len(images):
            raise Transient("502")
        return real(client, repository, digest)

    monkeypatch.setattr("imageyard.keep.inventory.blobs.read", read)
    with pytest.raises(Transient):
        reader.read(START)
    for _ in range(2):
        commits = [one.commit for one in reader.read(START).manifests.values() if one.commit]
        assert commits == ["c0ffee"] * 3
    assert len(asked) == 2 * len(images)


def test_no_restore_record_is_written_over(tmp_path: Path, registry: MemoryRegistry) -> None:
    state = RepositoryState(tmp_path, registry.reference(IMAGES))
    paths = {state.new_record(registry.reference(IMAGES), START, ()).path for _ in range(3)}
    assert len(paths) == len(state.open_records()) == 3


def test_repositories_of_like_names_have_files_of_their_own(tmp_path: Path, registry: MemoryRegistry) -> None:
    names = ("ci/a", "ci/a.b", "ci_a", "ci/a_b", "ci_a/b")
    states = {name: RepositoryState(tmp_path, registry.reference(name)) for name in names}
    assert len({state.file for state in states.values()}) == len(names)
    states["ci/a.b"].new_record(registry.reference("ci/a.b"), START, ())
    assert [name for name, state in states.items() if state.open_records()] == ["ci/a.b"]


def test_a_state_that_is_damaged_is_no_state(tmp_path: Path, registry: MemoryRegistry) -> None:
    state = RepositoryState(tmp_path, registry.reference(IMAGES))
    state.first_seen = {"a": START, "b": START}
    state.write(LATER, {"a"})
    again = RepositoryState(tmp_path, registry.reference(IMAGES))
    assert (again.first_seen, again.last) == ({"a": START}, LATER)
    state.file.write_text("{}")
    with pytest.raises(ConfigurationError, match="damaged"):
        RepositoryState(tmp_path, registry.reference(IMAGES))
