"""`docker-builds.yml` as it is written, run off GitHub: what is at ECR, at GHCR and in the caches after each event."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from imageyard.names import Arch
from support.aws.served import Aws
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.github.oidc import Oidc
from support.github.served import GitHub, github
from support.registry.faults import Fault
from support.registry.served import PASSWORD, USER, Served
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, make_python, make_scene, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


@pytest.fixture(scope="session")
def job_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_python(tmp_path_factory.mktemp("python") / "own")


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as served:
        served.token = PASSWORD
        yield served


@pytest.fixture
def scene(
    tmp_path: Path,
    job_python: Path,
    aws: Aws,
    oidc: Oidc,
    registry: Served,
    locked_registry: Served,
    docker_engine: PrivateEngine,
    worker_engines: Mapping[Arch, PrivateEngine],
    roots: Mapping[Arch, bytes],
    hub: GitHub,
) -> Iterator[Scene]:
    hosts = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    key = uuid4().hex[:12]
    with remote_buildkit(hosts["amd64"]) as amd64, remote_buildkit(hosts["arm64"]) as arm64:
        workers: dict[Arch, str] = {"amd64": amd64, "arm64": arm64}
        places, api = (registry, locked_registry), {"GITHUB_API_URL": hub.url}
        yield make_scene(tmp_path, job_python, key, aws, oidc, places, docker_engine, workers, roots, api)
    aws.gate.faults.clear()


EVERYTHING = [
    "decide",
    f"rows-0 {BASE} amd64",
    f"rows-0 {BASE} arm64",
    f"rows-0 {PLAIN} amd64",
    f"rows-1 {TOOL} amd64",
    f"promote {BASE}",
    f"mirror {BASE}",
    f"mirror {TOOL}",
    f"mirror {PLAIN}",
    "report",
]


def content_tags(scene: Scene) -> set[str]:
    """The tags of all rows and of the image of several, as everybody computes them."""
    rows = {scene.tag_of(BASE, "amd64"), scene.tag_of(BASE, "arm64"), scene.tag_of(TOOL), scene.tag_of(PLAIN)}
    return rows | {scene.tag_of(BASE)}


def caches(scene: Scene, kind: str) -> set[str]:
    return scene.tags(f"{kind}-cache")


def children(scene: Scene) -> list[list[str]]:
    """The arguments of every child that Imageyard started."""
    return [json.loads(line) for line in (scene.machine.folder.parent / "children").read_text().splitlines()]


def test_a_push_to_main_publishes_and_mirrors_and_the_next_one_costs_one_job(
    scene: Scene, record_testsuite_property: Callable[[str, object], None]
) -> None:
    run = scene.push()

    assert run.started == EVERYTHING, pretty(run)
    assert not run.failed, pretty(run)
    tags = content_tags(scene)
    assert scene.tags() == tags
    assert scene.mirrored() == tags | {BASE, TOOL, PLAIN}
    for image in (BASE, TOOL, PLAIN):
        digests = {scene.digest(scene.tag_of(image)), *map(scene.digest_at_mirror, (image, scene.tag_of(image)))}
        assert len(digests) == 1, f"{image} is the same everywhere"
    assert scene.tags("-branch") == caches(scene, "-branch") == set()
    assert caches(scene, "") == {
        f"{row}-main" for row in (f"{BASE}-amd64", f"{BASE}-arm64", f"{TOOL}-amd64", f"{PLAIN}-amd64")
    }
    assert not [argv for argv in children(scene) if Path(argv[0]).name == "docker"], "workers elsewhere: no engine"
    assert "| linux-tool | mirror | published | after amd64 |" in run.job("report").summary
    assert "a push to main, which is protected" in run.job("decide").summary
    handed = json.loads(run.job("report").outputs["references"])
    assert handed["absent"] == []
    whole = {one["image"]: one for one in handed["references"] if one["arch"] is None}
    for image in (BASE, TOOL, PLAIN):
        digest = scene.digest(scene.tag_of(image))
        assert whole[image]["reference"] == f"{scene.aws.host}/{scene.name}@{digest}"
    assert json.loads((run.artifacts["references"] / "references.json").read_text()) == handed

    scene.commit("Nothing that an image is made of")
    start = time.perf_counter()
    run = scene.push()
    record_testsuite_property("seconds of a push that has nothing to do", round(time.perf_counter() - start, 1))
    assert run.started == ["decide"], pretty(run)
    assert run.results["tell"] == "skipped"
    assert "4 of 4 rows need nothing" in run.job("decide").summary
    again = json.loads(run.job("decide").outputs["references"])["references"]
    assert [one["reference"] for one in again] == [one["reference"] for one in handed["references"]]

    waited = scene.wait_for(BASE)
    assert not waited.failed, pretty(waited)
    assert waited.outputs == {"reference": f"{scene.aws.host}/{scene.name}@{scene.digest(scene.tag_of(BASE))}"}


def test_a_failing_row_stops_no_other_and_a_rerun_does_what_is_missing(scene: Scene) -> None:
    """ECR refuses one tag; what hangs on it is blocked, and the rest arrives at the mirror."""
    tag = scene.tag_of(BASE, "amd64")
    scene.aws.gate.faults.append(Fault(f"PUT /v2/{scene.name}/manifests/{tag}", status=403))
    run = scene.push()

    assert set(run.failed) >= {f"rows-0 {BASE} amd64", "report"}, pretty(run)
    lines = [
        line.strip("| ").split(" | ") for line in run.job("report").summary.splitlines() if line.startswith("| linux")
    ]
    report = {(line[0], line[1]): (line[2], line[3]) for line in lines}
    assert report[BASE, "amd64"][0] != "published"
    assert report[BASE, "amd64"][1].startswith("\\[8\\]")
    assert report[BASE, "promote"] == report[BASE, "mirror"] == ("blocked", "its row for amd64 failed")
    assert report[TOOL, "amd64"] == ("blocked", f"its parent {BASE} failed")
    assert run.log.count(f"{BASE} amd64: building on") == 1, "its child does not try again"
    assert report[TOOL, "mirror"] == ("blocked", "its row for amd64 failed")
    assert report[PLAIN, "mirror"][0] == "published"
    assert run.job("report").code == 8, "the code of the cause"
    assert run.job(f"rows-0 {BASE} amd64").failed == "Build"
    logs = run.artifacts[f"logs-{BASE}-amd64"]
    assert list(logs.rglob(f"{BASE}.amd64.rawjson")), "the raw stream of the row that failed"
    assert f"logs-{PLAIN}-amd64" not in run.artifacts
    assert scene.mirrored() == {PLAIN, scene.tag_of(PLAIN)}

    scene.aws.gate.faults.clear()
    again = scene.again(run)
    assert not again.failed, pretty(again)
    assert scene.tags() == content_tags(scene)
    assert scene.mirrored() == content_tags(scene) | {BASE, TOOL, PLAIN}
    decided = [one.folder for one in again.jobs["decide"]]
    assert decided == [one.folder for one in run.jobs["decide"]], "it succeeded before and is not run again"
    kept = again.job(f"rows-0 {PLAIN} amd64")
    assert kept.folder == run.job(f"rows-0 {PLAIN} amd64").folder
    assert PASSWORD in again.masks, "it was there"
    assert not scene.leaks(run, again)


def test_a_ciflow_tag_builds_and_the_next_push_mirrors_without_building(scene: Scene) -> None:
    run = scene.tag("ciflow/docker/1")

    assert not run.failed, pretty(run)
    assert "mirror" not in {name.split()[0] for name in run.started}
    tags = content_tags(scene)
    assert scene.tags() == tags
    assert scene.mirrored() == set()
    assert "whose commit is on main, which is protected" in run.job("decide").summary
    built = {tag: scene.digest(tag) for tag in tags}

    run = scene.push()
    assert run.started == ["decide", f"mirror {BASE}", f"mirror {TOOL}", f"mirror {PLAIN}", "report"], pretty(run)
    assert not run.failed, pretty(run)
    assert {tag: scene.digest(tag) for tag in tags} == built
    assert {tag: scene.digest_at_mirror(tag) for tag in tags} == built


def test_a_ciflow_tag_on_any_other_commit_writes_the_branch_repository(scene: Scene) -> None:
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.commit("Not on main")
    run = scene.tag("ciflow/docker/2", "topic")

    assert not run.failed, pretty(run)
    assert scene.tags() == scene.mirrored() == caches(scene, "") == set()
    assert scene.tags("-branch") == content_tags(scene)


def test_a_pull_request_builds_what_it_touches_and_main_builds_it_again(scene: Scene) -> None:
    """What a branch built is never taken over: main has its own build, from its own cache."""
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("tool/word", scene.key, f"{scene.key} and more")
    scene.commit()
    run = scene.pull_request(17, "topic")

    assert not run.failed, pretty(run)
    rows = [f"rows-0 {BASE} amd64", f"rows-1 {TOOL} amd64"]
    assert run.started == ["decide", *rows, "report"], pretty(run)
    assert scene.tags() == scene.mirrored() == caches(scene, "") == set()
    tags = {scene.tag_of(BASE, "amd64"), scene.tag_of(TOOL)}
    assert scene.tags("-branch") == tags
    assert caches(scene, "-branch") == {f"{BASE}-amd64-pr-17", f"{TOOL}-amd64-pr-17"}
    at_branch = {tag: scene.digest(tag, "-branch") for tag in tags}

    before = len(children(scene))
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "topic")
    run = scene.push()
    assert not run.failed, pretty(run)
    assert run.started == EVERYTHING
    assert tags < scene.tags()
    assert {tag: scene.digest(tag, "-branch") for tag in tags} == at_branch
    words = [word for argv in children(scene)[before:] for word in argv]
    assert [word for word in words if f"{scene.name}-cache:{TOOL}-amd64-main" in word]
    assert not [word for word in words if f"{scene.name}-branch" in word], "nothing of the branch is read"

    closed = scene.close(17, "topic")
    assert not closed.failed, pretty(closed)
    assert closed.started == ["closed"]
    assert caches(scene, "-branch") == set()
    assert caches(scene, "") != set()


def test_a_pull_request_from_a_fork_is_checked_and_writes_nothing(scene: Scene) -> None:
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    issued = len(scene.oidc.issued)
    run = scene.pull_request(18, "topic", head="somebody/images")

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    everywhere = [scene.tags(kind) for kind in ("", "-branch", "-cache", "-branch-cache")]
    assert [*everywhere, scene.mirrored()] == [set()] * 5
    assert len(scene.oidc.issued) == issued, "no token for a role was given to its jobs"
    assert "checked" in run.job("report").summary or "built" in run.job("report").summary

    waited = scene.wait_for(PLAIN, timeout="1s")
    assert waited.failed == ["wait"], "nobody published it"
    assert not waited.outputs["reference"]


def test_the_schedule_builds_everything_as_canaries_and_one_that_fails_is_told_in_an_issue(
    scene: Scene, hub: GitHub
) -> None:
    scene.aws.gate.faults.append(Fault(f"PUT /v2/{scene.name}/manifests/{PLAIN}-weekly", status=403))
    run = scene.schedule()

    assert run.failed == [f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    day = re.search(r"weekly-(\d{8})", run.summary)
    assert day
    weekly = f"weekly-{day[1]}"
    rows = {f"{BASE}-{weekly}-amd64", f"{BASE}-{weekly}-arm64", f"{TOOL}-{weekly}"}
    assert scene.tags() == rows | {f"{BASE}-{weekly}"}
    assert scene.mirrored() == scene.tags("-branch") == set()
    words = [word for argv in children(scene) for word in argv]
    assert "--no-cache" in words
    assert not [word for word in words if word.startswith("--cache-from")], "no cache is read"
    assert run.results["tell"] == "success", pretty(run)
    (issue,) = hub.issues
    assert f"actions/runs/{run.number} of docker-builds failed" in issue["body"]
    assert not scene.leaks(run)


def test_a_dispatch_builds_what_its_pattern_names(scene: Scene) -> None:
    run = scene.dispatch(pattern=PLAIN, force="true")

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert scene.tags() == {scene.tag_of(PLAIN)}
    built = scene.digest(scene.tag_of(PLAIN))

    run = scene.dispatch(pattern="linux-{plain,base}")
    assert run.started == ["decide", f"rows-0 {BASE} amd64", f"rows-0 {BASE} arm64", f"promote {BASE}", "report"]
    assert not run.failed, pretty(run)
    assert scene.digest(scene.tag_of(PLAIN)) == built
    assert scene.mirrored() == set()


def test_where_the_registry_is_ghcr_only_trusted_runs_have_its_token(scene: Scene) -> None:
    """It is a secret of an environment, and no other run is in that."""
    scene.publish_at_ghcr()
    run = scene.dispatch(pattern=PLAIN)

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert run.job("decide").outputs["environment"] == "docker-mirror"
    assert f"Logged in at {scene.ghcr.host} as {USER} by GHCR_PAT" in run.job(f"rows-0 {PLAIN} amd64").log
    assert scene.mirrored() == {scene.tag_of(PLAIN)}

    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    before = scene.mirrored()
    published, run = run, scene.pull_request(19, "topic")
    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert not scene.leaks(published, run)
    assert run.job("decide").outputs["environment"] == ""
    assert "GHCR_PAT" not in run.job(f"rows-0 {PLAIN} amd64").log.replace("neither GHCR_PAT", "")
    assert scene.mirrored() == before, "one repository, which only trusted runs write"
