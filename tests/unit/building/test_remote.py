"""Rows on remote workers, and unchecked images in the engine: what is asked, which outcome is which error."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imageyard.builders.request import (
    BuildRequest,
    BuildTimedOut,
    Built,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Unreachable,
)
from imageyard.building import remote, unchecked_image
from imageyard.building.builder import BuilderSetting, NotChecked, PushedImage
from imageyard.building.builder_choice import Choice
from imageyard.building.remote import RemoteBuilder
from imageyard.errors import BuildFailed, ConfigurationError, Denied, EnvironmentLacks, ImageyardError, Transient
from imageyard.names import Digest
from imageyard.project.options import BuildOptions
from imageyard.ran import Ended
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.engine.memory import MemoryEngine
from support.registry.memory import MemoryRegistry

BASE = "linux-base"
WORKERS = CATALOGUE + "builders: {remote: {amd64: 'tcp://worker.test:1', insecure: yes, connect_timeout: 5m}}\n"
CHECKED = WORKERS.replace(
    "base: {dockerfile: Dockerfile",
    "base: {remote_checks: yes, checks: {word: {run: cat /word}, gcc: {run: gcc -v, version: 12}}, "
    "dockerfile: Dockerfile",
)
DIGEST = Digest(f"sha256:{'1' * 64}")


class Worker:
    """What a worker was asked, and what comes of each build."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.streams: list[tuple[str, str]] = []
        self.requests: list[BuildRequest] = []
        self.asked: dict[str, Any] = {}

    def build(self, request: BuildRequest, *worker: Any, raw: Path, **asked: Any) -> Outcome:
        self.asked = {**asked, "worker": worker[0] if worker else None}
        out, err = self.streams.pop(0) if self.streams else ("", "")
        logs = [{"stream": n, "data": base64.b64encode(text.encode()).decode()} for n, text in ((1, out), (2, err))]
        raw.write_text(json.dumps({"logs": logs}) + "\n")
        self.requests.append(request)
        return self.outcomes.pop(0)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    made = Worker()
    monkeypatch.setattr(remote.remote_worker, "build", made.build)
    monkeypatch.setattr(unchecked_image.buildx, "build", made.build)
    for module in (remote, unchecked_image):
        monkeypatch.setattr(module.buildx, "find", lambda: os.devnull)
        monkeypatch.setattr(module.attempt.buildx, "kept_version", lambda program, kept: "0.29.1")
    yield made
    assert made.outcomes == [], "a build was expected, and none came"


def builder_of(work: Workplace) -> RemoteBuilder:
    choice = Choice("remote", "a test")
    setting = BuilderSetting(work.project, work.recipes, work.services, BuildOptions(at="branch"), choice)
    builder, _ = remote.make(setting)
    return builder


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    return scene_of(tmp_path, MemoryRegistry().client(), **{"images.yml": WORKERS})


def test_a_row_is_pushed_by_digest_from_the_worker_of_its_architecture(work: Workplace, worker: Worker) -> None:
    builder, row = builder_of(work), work.row(BASE)
    worker.outcomes = [Built(DIGEST, None)]
    with builder.build([row]) as images:
        (image,) = images
    assert image == PushedImage(builder.repository.with_digest(DIGEST))
    (request,) = worker.requests
    assert (request.output, [str(tag) for tag in request.tags]) == ("push-by-digest", ["registry.test/ci/branch"])
    assert worker.asked["worker"].address == "tcp://worker.test:1"
    assert (row.run.record.digest, row.run.record.why) == (DIGEST, "not at registry.test/ci/branch")
    assert builder.check(row, image) == NotChecked("built by remote workers")


@pytest.mark.parametrize(
    ("outcome", "kind", "words"),
    [
        (Unreachable("no route"), Transient, "no route"),
        (Lost("cut"), Transient, r"tcp://worker\.test:1 was lost in mid-build: cut"),
        (Failed("[1/2] RUN x", exit_code=3), BuildFailed, "RUN x ended with exit code 3"),
        (RegistryFailed("export", "401", denied=True), Denied, "401"),
        (Built(None, None), EnvironmentLacks, "does not say what it pushed"),
    ],
)
def test_each_outcome_is_an_error(
    work: Workplace, worker: Worker, outcome: Outcome, kind: type[ImageyardError], words: str
) -> None:
    worker.outcomes = [outcome]
    with pytest.raises(kind, match=words) as caught:
        builder_of(work).build([work.row(BASE)]).__enter__()
    assert caught.value.doing == "building linux-base amd64"


def test_an_architecture_without_a_worker_is_refused_before_hours_are_spent(work: Workplace) -> None:
    builder = builder_of(work)
    row = work.project.row(BASE, "arm64")
    with pytest.raises(ConfigurationError, match=r"builders\.remote has no address for arm64"):
        builder.require_supported(row)
    with pytest.raises(ConfigurationError, match=r"builders\.remote has no address for arm64"):
        remote.require_workers(work.project.catalogue, builder.choice, [work.project.row(BASE, "amd64"), row])


def test_checks_run_on_the_worker_and_one_that_fails_stops_no_other(tmp_path: Path, worker: Worker) -> None:
    work = scene_of(tmp_path, MemoryRegistry().client(), **{"images.yml": CHECKED})
    builder, row = builder_of(work), work.row(BASE)
    image = PushedImage(builder.repository.with_digest(DIGEST))
    worker.outcomes = [Failed("RUN", exit_code=1), Built(None, None)]
    worker.streams = [("", "no such word"), ("", "gcc version 12.2.0")]
    results = builder.check(row, image)
    assert not isinstance(results, NotChecked)
    assert [(one.check, one.ok, one.actual) for one in results] == [
        ("word", False, "exit status 1"),
        ("gcc", True, "12.2.0"),
    ]
    assert {(request.output, request.no_cache) for request in worker.requests} == {("nothing", True)}
    worker.outcomes = [BuildTimedOut("RUN"), Failed("RUN", message="no runc")]
    timed_out, not_started = builder.check(row, image)  # type: ignore[misc]
    assert (timed_out.actual, not_started.actual) == (  # type: ignore[has-type]
        f"no answer within {remote.remote_checks.TIMEOUT:g} s",
        "no answer: the container did not start",
    )
    worker.outcomes = [Lost("cut")]
    with pytest.raises(Transient, match="was lost in mid-build"):
        builder.check(row, image)


def test_facts_are_taken_on_the_worker(tmp_path: Path, worker: Worker) -> None:
    catalogue = CHECKED.replace("remote_checks: yes, ", "remote_checks: yes, facts: {a: {run: cat a}, b: {run: b}}, ")
    work = scene_of(tmp_path, MemoryRegistry().client(), **{"images.yml": catalogue})
    builder, row = builder_of(work), work.row(BASE)
    image = PushedImage(builder.repository.with_digest(DIGEST))
    worker.outcomes = [Built(None, None), Failed("RUN", exit_code=2)]
    said = ("b 2\na 1\n\n[output clipped, log limit 200KiB/s reached]\n", "a warning")
    worker.streams = [said, ("", "")]
    ran = builder.run_facts(row, image)
    assert list(ran) == ["a", "b"]
    assert (ran["a"], ran["b"]) == (
        Ended(0, *said, clipped=True),
        Ended(2, "", ""),
    )
    assert [request.no_cache for request in worker.requests] == [True, True]


def test_an_unchecked_image_has_its_name_only_as_long_as_it_is_used(tmp_path: Path, worker: Worker) -> None:
    engine = MemoryEngine()
    work = scene_of(tmp_path, engine=engine)
    row = work.row(BASE)
    worker.outcomes = [Built(None, "sha256:1")]
    with unchecked_image.unchecked_image(work.project, work.services, BuildOptions(), row) as reference:
        assert f"{reference}".startswith(f"{work.project.repository}:unchecked-")
        engine.load(str(reference))
    assert engine.loaded == {}
    (request,) = worker.requests
    assert (request.output, request.tags) == ("load", (reference,))
    assert row.run.record.versions["engine"] == "28.5.2"


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(Unreachable("no engine"), EnvironmentLacks), (Lost("cut"), Transient), (Failed("RUN x"), BuildFailed)],
)
def test_what_fails_in_the_engine_leaves_no_name(
    tmp_path: Path, worker: Worker, outcome: Outcome, kind: type[ImageyardError]
) -> None:
    engine = MemoryEngine()
    work = scene_of(tmp_path, engine=engine)
    worker.outcomes = [outcome]
    with pytest.raises(kind):
        unchecked_image.unchecked_image(work.project, work.services, BuildOptions(), work.row(BASE)).__enter__()
    assert engine.loaded == {}


@pytest.mark.parametrize(
    ("store", "output", "provenance"), [("containerd", "archive", "max"), ("classic", "load", "off")]
)
def test_a_request_is_narrowed_to_what_the_store_can_hold(
    tmp_path: Path, worker: Worker, monkeypatch: pytest.MonkeyPatch, store: Any, output: str, provenance: str
) -> None:
    engine = MemoryEngine(store)
    loaded: list[Path] = []
    monkeypatch.setattr(engine, "load", loaded.append)
    catalogue = CATALOGUE.replace("base: {dockerfile", "base: {reproducible: yes, provenance: max, dockerfile")
    work = scene_of(tmp_path, engine=engine, **{"images.yml": catalogue})
    worker.outcomes = [Built(None, "sha256:1")]
    with unchecked_image.unchecked_image(work.project, work.services, BuildOptions(), work.row(BASE)):
        pass
    (request,) = worker.requests
    assert (request.output, request.provenance) == (output, provenance)
    assert bool(loaded) is (output == "archive")
