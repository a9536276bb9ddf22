"""A repository as the place of rows, and Depot above it: parents by digest, one index for several rows, their tags."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imageyard.board import Board
from imageyard.builders.depot import Refused
from imageyard.builders.request import BuildRequest, Built, Lost, Outcome, RegistryFailed, Unreachable
from imageyard.building import depot, layer_cache
from imageyard.building.builder import BuilderSetting, NotChecked, PushedImage, RowBuild, Unreached
from imageyard.building.builder_choice import Choice
from imageyard.building.depot import DepotBuilder
from imageyard.building.depot_parents import one_for_all
from imageyard.building.outcomes import key_of
from imageyard.building.parents import locate_parents
from imageyard.building.repository_place import RepositoryPlace, place_of
from imageyard.errors import (
    Blocked,
    BuildFailed,
    ConfigurationError,
    Denied,
    ImageyardError,
    NotFound,
    PolicyRefused,
    Transient,
)
from imageyard.oci.manifests import Index
from imageyard.plan.decision import Decision
from imageyard.project.options import BuildOptions
from imageyard.publishing import record_artifact
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.registry.built import put_built, put_index
from support.registry.memory import Fault, MemoryRegistry
from support.services import services

BASE, MIDDLE, LEAF = "linux-base", "linux-middle-one", "linux-leaf"
AT_DEPOT = CATALOGUE + "builders: {depot: {trusted: aaa, branch: bbb, fallback: buildx}}\n"


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def work(tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    return scene_of(tmp_path, registry.client(), **{"images.yml": AT_DEPOT})


def place_at(work: Workplace, at: str = "branch", **options: Any) -> RepositoryPlace:
    asked = BuildOptions(at=at, **options)  # type: ignore[arg-type]
    return place_of(BuilderSetting(work.project, work.recipes, work.services, asked, Choice("depot", "a test")))


def publish(work: Workplace, place: RepositoryPlace, name: str, arch: str = "amd64") -> RowBuild:
    """Have a row built elsewhere and published."""
    row = work.row(name, arch)
    raw = put_built(work.services.registry(), place.destination.repository, row.facts)
    image = PushedImage(place.destination.repository.with_digest(raw.digest))
    published = place.publish(row, image)
    assert (published.image.digest, published.in_repository, published.adopted) == (raw.digest, True, False)
    return row


def test_a_pushed_image_gets_its_record_and_then_its_tag(work: Workplace, registry: MemoryRegistry) -> None:
    place = place_at(work)
    row = publish(work, place, BASE)
    found = place.find(row.facts)
    assert found is not None
    assert (found.where, found.digest) == ("at registry.test/ci/branch", registry.tags("ci/branch")[row.facts.tag])
    image = place.destination.repository.with_digest(found.digest)  # type: ignore[arg-type]
    (record,) = record_artifact.read(work.services.registry(), image, services().reporter)
    assert (record.outcome, record.digest) == ("published", found.digest)


def test_a_run_reads_where_its_decision_says_and_writes_in_one_place(work: Workplace) -> None:
    publish(work, place_at(work, "trusted"), BASE)
    decision = Decision("branch", "pull_request", "a test", push="branch", reads=("trusted", "branch"))
    place = place_of(
        BuilderSetting(work.project, work.recipes, work.services, BuildOptions(decision=decision), Choice("depot", ""))
    )
    child = work.facts(MIDDLE)
    assert place.parent(work.facts(BASE), child).startswith("registry.test/ci/image@sha256:")
    assert place.destination.repository.name == "registry.test/ci/branch"
    with pytest.raises(NotFound, match=r"is gone: not at registry\.test/ci/image nor registry\.test/ci/branch"):
        place.parent(work.facts(BASE, "arm64"), child)


def test_a_tag_of_another_platform_is_no_parent(work: Workplace, registry: MemoryRegistry) -> None:
    place, facts = place_at(work), work.facts(BASE)
    raw = put_built(work.services.registry(), place.destination.repository, work.facts(BASE, "arm64"))
    work.services.registry().put(place.destination.repository.with_tag(facts.tag), raw.body, raw.media_type)
    with pytest.raises(PolicyRefused, match="is for linux/arm64, not for linux/amd64"):
        place.find(facts)


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (500, Transient)])
def test_what_a_registry_does_not_say_is_an_error(
    work: Workplace, registry: MemoryRegistry, status: int, kind: type[ImageyardError]
) -> None:
    registry.faults = [Fault("", status, times=99, code="DENIED")]
    with pytest.raises(kind):
        place_at(work).find(work.facts(BASE))


def test_what_must_not_be_published_is_refused_before_its_tag_is_known(work: Workplace) -> None:
    place = place_at(work, set_args={"N": "9"})
    with pytest.raises(PolicyRefused, match="what is built with --set N=9 is never published"):
        place.prepare(work.recipes, work.project.row(LEAF, "amd64"))


def test_a_forced_build_asks_first_whether_tags_move_and_replaces_nothing_trusted_in_ci(work: Workplace) -> None:
    assert place_at(work, force=True).destination.moves
    ci = Decision("trusted", "push", "a test", push="trusted", reads=("trusted",))
    assert not place_at(work, "trusted", force=True, decision=ci).destination.moves
    with pytest.raises(PolicyRefused, match="a run at fork trust publishes nothing"):
        place_at(work, decision=Decision("fork", "pull_request", "a test"))


def test_a_parent_that_failed_or_is_missing_blocks_its_child(work: Workplace) -> None:
    place, row = place_at(work), work.row(MIDDLE)
    failed = {key_of(work.project.row(BASE, "amd64")): BuildFailed("RUN x failed")}
    with pytest.raises(Blocked, match=f"its parent {BASE} failed\n"):
        locate_parents(row, place, failed, published_before=False)
    with pytest.raises(Blocked, match=r"is not at registry\.test/ci/branch"):
        locate_parents(row, place, {}, published_before=True)
    publish(work, place, BASE)
    located = locate_parents(row, place, {}, published_before=True)
    assert list(located.parents) == [BASE]


def with_parents(work: Workplace, place: RepositoryPlace) -> list[RowBuild]:
    """The rows of a child, with the references of its parent's rows."""
    rows = [work.row(MIDDLE, arch) for arch in ("amd64", "arm64")]
    return [locate_parents(row, place, {}, published_before=False) for row in rows]


def test_parents_of_several_architectures_are_one_index_beside_the_rows(
    work: Workplace, registry: MemoryRegistry
) -> None:
    place, client = place_at(work), work.services.registry()
    for arch in ("amd64", "arm64"):
        publish(work, place, BASE, arch)
    parents = one_for_all(work.recipes, BuildOptions(), client, place.destination.repository, with_parents(work, place))
    assert parents is not None
    digest = parents[BASE].partition("@")[2]
    assert digest in registry.manifests("ci/branch")
    assert digest not in registry.tags("ci/branch").values(), "it is there by digest alone"


def test_parents_elsewhere_need_the_index_that_was_promoted(work: Workplace, registry: MemoryRegistry) -> None:
    client, trusted = work.services.registry(), registry.reference("ci/image")
    for arch in ("amd64", "arm64"):
        publish(work, place_at(work, "trusted"), BASE, arch)
    decision = Decision("branch", "pull_request", "a test", push="branch", reads=("trusted", "branch"))
    options = BuildOptions(decision=decision)
    place = place_of(BuilderSetting(work.project, work.recipes, work.services, options, Choice("depot", "")))
    rows = with_parents(work, place)
    ask = lambda: one_for_all(work.recipes, options, client, place.destination.repository, rows)  # noqa: E731
    assert ask() is None
    bases = [row.facts.parents[0] for row in rows]
    whole = put_index(client, trusted, [(base, client.get(trusted.with_tag(base.tag))) for base in bases])
    tag = work.recipes.index_tag(work.project.catalogue.images[BASE])
    client.put(trusted.with_tag(tag), whole.body, whole.media_type)
    assert ask() == {BASE: f"registry.test/ci/image@{whole.digest}"}


class DepotCli:
    """The Depot CLI as this package's `builders.depot` shows it: what it was asked, and what came of it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.requests: list[BuildRequest] = []

    def build(self, request: BuildRequest, *, board: Board, raw: Path, **asked: Any) -> Outcome:
        raw.write_text("")
        self.requests.append(request)
        return self.outcome


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DepotCli]:
    made = DepotCli(Unreachable("nobody"))
    monkeypatch.setattr(depot.depot_cli, "build", made.build)
    monkeypatch.setattr(depot.depot_cli, "find", lambda: "depot")
    monkeypatch.setattr(depot.depot_cli, "version", lambda program: "2.1.0")
    monkeypatch.setattr(depot.attempt.buildx, "find", lambda: os.devnull)
    monkeypatch.setattr(depot.attempt.buildx, "kept_version", lambda program, kept: "0.29.1")
    return made


def builder_of(work: Workplace) -> tuple[DepotBuilder, RepositoryPlace]:
    setting = BuilderSetting(work.project, work.recipes, work.services, BuildOptions(at="branch"), Choice("depot", ""))
    builder, place = depot.make(setting)
    assert isinstance(place, RepositoryPlace)
    return builder, place


def test_one_build_makes_the_rows_that_have_the_same_inputs(work: Workplace, cli: DepotCli) -> None:
    builder, place = builder_of(work)
    client, repository = work.services.registry(), place.destination.repository
    rows = [work.row(BASE, arch) for arch in ("amd64", "arm64")]
    assert builder.groups(rows) == [rows]
    pushed = put_index(client, repository, [(row.facts, put_built(client, repository, row.facts)) for row in rows])
    cli.outcome = Built(pushed.digest, None)
    with builder.build(rows) as images:
        assert not isinstance(images, Unreached)
        root = pushed.parsed()
        assert isinstance(root, Index)
        assert [image.reference.digest for image in images] == [child.digest for child in root.manifests]
        assert builder.check(rows[0], images[0]) == NotChecked("built at Depot")
    (request,) = cli.requests
    assert (request.platform, request.output, request.cache_to) == ("linux/amd64,linux/arm64", "push-by-digest", ())
    assert rows[1].run.record.versions["depot"] == "2.1.0"


def test_rows_that_differ_in_files_or_args_are_built_apart(tmp_path: Path, registry: MemoryRegistry) -> None:
    catalogue = AT_DEPOT.replace("base: {dockerfile: Dockerfile", "base: {dockerfile: '{arch}.Dockerfile'")
    catalogue = catalogue.replace("'{arch}.Dockerfile'", "Dockerfile, per_arch: {arm64: {epoch: other}}")
    work = scene_of(tmp_path, registry.client(), **{"images.yml": catalogue})
    builder, _ = builder_of(work)
    rows = [work.row(BASE, arch) for arch in ("amd64", "arm64")]
    assert builder.groups(rows) == [[rows[0]], [rows[1]]]


@pytest.mark.parametrize(
    ("outcome", "kind", "words"),
    [
        (Lost("cut"), Transient, "the build at Depot was lost: cut"),
        (RegistryFailed("export", "denied", denied=True), Denied, "denied"),
        (Built(None, None), ImageyardError, "does not say what it pushed"),
    ],
)
def test_a_build_that_began_is_never_built_elsewhere(
    work: Workplace, cli: DepotCli, outcome: Outcome, kind: type[ImageyardError], words: str
) -> None:
    builder, _ = builder_of(work)
    cli.outcome = outcome
    with pytest.raises(kind, match=words):
        builder.build([work.row(BASE)]).__enter__()


@pytest.mark.parametrize(("outcome", "kind"), [(Unreachable("no route"), Transient), (Refused("no token"), Denied)])
def test_where_no_build_was_created_the_catalogue_may_name_the_engine(
    work: Workplace, cli: DepotCli, outcome: Outcome, kind: type[ImageyardError]
) -> None:
    builder, _ = builder_of(work)
    cli.outcome, row = outcome, work.row(BASE)
    with builder.build([row]) as unreached:
        assert isinstance(unreached, Unreached)
    assert isinstance(unreached.error, kind)
    assert unreached.fallback is not None
    assert row.run.record.builder == "local"
    assert row.run.record.remarks == (f"built by docker buildx: {unreached.error.headline}",)


def test_a_place_without_a_project_at_depot_is_refused(tmp_path: Path, registry: MemoryRegistry) -> None:
    catalogue = CATALOGUE + "builders: {depot: {trusted: aaa}}\n"
    work = scene_of(tmp_path, registry.client(), **{"images.yml": catalogue})
    with pytest.raises(ConfigurationError, match=r"builders\.depot names no project for branch"):
        builder_of(work)


def test_what_depot_pushed_is_proven(work: Workplace, cli: DepotCli) -> None:
    builder, place = builder_of(work)
    row = work.row(BASE)
    forged = put_built(work.services.registry(), place.destination.repository, row.facts, inputs="0" * 64)
    cli.outcome = Built(forged.digest, None)
    with pytest.raises(PolicyRefused, match="is not what it should be"):
        builder.build([row]).__enter__()


def test_layer_caches_are_those_of_the_catalogue_and_the_decision(work: Workplace, tmp_path: Path) -> None:
    row, decision = (
        work.project.row(BASE, "amd64"),
        Decision("trusted", "push", "a test", caches_read=("main",), cache_written="main"),
    )
    provider = work.services.provider
    assert layer_cache.of(work.project.catalogue, row, decision, provider).write == ()
    (tmp_path / "more").mkdir()
    catalogue = CATALOGUE + "cache: {trusted: registry.test/cache, branch: registry.test/cache-branch}\n"
    cached = scene_of(tmp_path / "more", **{"images.yml": catalogue})
    caches = layer_cache.of(cached.project.catalogue, row, decision, provider)
    assert all("registry.test/cache:" in one for one in (*caches.read, *caches.write))
    assert caches.write
    assert layer_cache.of(cached.project.catalogue, row, replace(decision, cache_written=None), provider).write == ()
