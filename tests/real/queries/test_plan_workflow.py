"""`inv plan --github` at real registries: each image's work by its own state, as outputs of a job and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imageyard.names import Digest, Reference
from support.github import event as github_event
from support.github.files import read
from support.registry.faults import Fault, Proxy
from support.registry.served import Served, platform, put_image, put_index
from support.yard.plan import BASES, PYTHONS, Scratch, make_scratch

EVERY = {*BASES, *PYTHONS}
"""Five images, each for both architectures here."""


@pytest.fixture
def scratch(registry: Served, tmp_path: Path) -> Scratch:
    made = make_scratch(tmp_path, registry.host)
    file = made.top / ".ci" / "docker" / "images.yml"
    text = file.read_text().replace("arches: [amd64]", "arches: [amd64, arm64]")
    name = f"{made.repository}"
    names = f"registry: {{trusted: {name}, branch: {name}-branch}}\nmirrors: [{name}-mirror]"
    file.write_text(text.replace(f"registry: {name}", names))
    made.pin()
    made.commit()
    return made


def planned(scratch: Scratch, env: dict[str, str]) -> tuple[dict[str, Any], dict[str, str], str]:
    """The plan as JSON, the outputs of the job, and its summary."""
    files = {name: scratch.top.parent / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.unlink(missing_ok=True)
    ended = scratch.inv("plan", "--github", env={**env, **{name: str(file) for name, file in files.items()}})
    assert ended.code == 0, ended.err
    return json.loads(ended.out), read(files["GITHUB_OUTPUT"].read_text()), files["GITHUB_STEP_SUMMARY"].read_text()


def work(plan: dict[str, Any], outputs: dict[str, str], name: str) -> list[dict[str, Any]]:
    """What the plan gave the jobs of a matrix, each with what its job has to know."""
    jobs = {job["name"]: job for job in json.loads(outputs[name])["include"]}
    assert outputs[f"has_{name}"] == ("true" if jobs else "false")
    steps = [image for image in plan["images"] if image["step"] == name]
    rows = plan["rows"] if name.startswith("rows_") else steps
    return [row | jobs[row["job"]] for row in rows if row["job"] in jobs]


def tags(scratch: Scratch) -> dict[tuple[str, str], str]:
    """Every tag: of rows by image and architecture, of images by image and `all`."""
    rows = json.loads(scratch.inv("plan", "--offline", "--json").out)["rows"]
    found = {(row["image"], row["arch"]): row["tag"] for row in rows}
    return found | {(image, "all"): scratch.inv("tag", image).out.strip() for image in EVERY}


def publish(scratch: Scratch, served: Served, image: str, *, whole: bool = True, kind: str = "") -> Digest | None:
    """Put the rows of an image, and unless told the image over them."""
    client, given = served.client(), tags(scratch)
    repository = Reference(scratch.repository.registry, f"{scratch.repository.repository}{kind}")
    children: dict[Digest, dict[str, object]] = {}
    for arch in ("amd64", "arm64"):
        digest = put_image(client, repository, architecture=arch, note=f"{image} {arch}")
        raw = client.get(repository.with_digest(digest))
        client.put(repository.with_tag(given[image, arch]), raw.body, raw.media_type)
        children[digest] = platform(arch)
    return put_index(client, repository.with_tag(given[image, "all"]), children) if whole else None


def test_everything_is_absent(scratch: Scratch, tmp_path: Path) -> None:
    plan, outputs, summary = planned(scratch, github_event.push(tmp_path))
    assert (outputs["has_work"], outputs["has_report"]) == ("true", "true")
    assert {(job["image"], job["arch"]) for job in work(plan, outputs, "rows_0")} == {
        (image, arch) for image in BASES for arch in ("amd64", "arm64")
    }
    assert {job["image"] for job in work(plan, outputs, "rows_1")} == set(PYTHONS)
    assert not work(plan, outputs, "rows_2")
    (job,) = (j for j in work(plan, outputs, "rows_1") if (j["image"], j["arch"]) == ("linux-trixie-py3.12", "arm64"))
    assert job == {
        "image": "linux-trixie-py3.12",
        "arch": "arm64",
        "tag": tags(scratch)["linux-trixie-py3.12", "arm64"],
        "runner": "ubuntu-24.04-arm",
        "timeout": job["timeout"],
        "address": "",
        "emulates": "false",
        "needs": ["linux-trixie-base"],
        "level": 1,
        "action": "build",
        "reason": job["reason"],
        "code": 0,
        "job": "linux-trixie-py3.12 arm64",
        "name": "linux-trixie-py3.12 arm64",
    }
    assert {one["image"] for one in work(plan, outputs, "promote")} == EVERY
    assert {one["image"] for one in work(plan, outputs, "mirror")} == EVERY
    assert plan["decision"]["trust"] == "trusted"
    assert summary.count("\n| linux-") == 10 + 10


def test_each_image_has_the_work_of_its_own_state(scratch: Scratch, registry: Served, tmp_path: Path) -> None:
    done, promote, mirror, floating = "linux-bookworm-base", "linux-trixie-base", *PYTHONS[:2]
    for image in (done, mirror, floating):
        publish(scratch, registry, image)
    publish(scratch, registry, promote, whole=False)
    client, at_mirror = registry.client(), f"{scratch.repository.repository}-mirror"
    for image in (done, floating):
        digest = publish(scratch, registry, image, kind="-mirror")
        assert digest
        raw = client.get(Reference(registry.host, at_mirror, digest=digest))
        if image == done:
            client.put(Reference(registry.host, at_mirror, image), raw.body, raw.media_type)

    plan, outputs, _ = planned(scratch, github_event.push(tmp_path))
    built = PYTHONS[2]
    jobs = work(plan, outputs, "rows_0")
    assert {(job["image"], job["arch"]) for job in jobs} == {(built, "amd64"), (built, "arm64")}
    assert not work(plan, outputs, "rows_1"), "its parent is there"
    assert [one["image"] for one in work(plan, outputs, "promote")] == [promote, built]
    assert {one["image"] for one in work(plan, outputs, "mirror")} == {promote, mirror, floating, built}
    why = {(one["image"], one["step"]): one["reason"] for one in plan["images"]}
    place, far = str(scratch.repository), f"{scratch.repository}-mirror"
    assert why == {
        (promote, "promote"): f"its rows are in {place}, the tag over them is not",
        (promote, "mirror"): "it is promoted",
        (mirror, "mirror"): f"in {place}, absent at {far}",
        (floating, "mirror"): f"in {place}, the floating tag is absent at {far}",
        (built, "promote"): "after amd64, arm64",
        (built, "mirror"): "after amd64, arm64",
    }


def test_nothing_to_do(scratch: Scratch, registry: Served, tmp_path: Path) -> None:
    for image in EVERY:
        publish(scratch, registry, image)
    file = scratch.top / ".ci" / "docker" / "images.yml"
    file.write_text(file.read_text().replace("mirrors:", "# no mirrors:"))
    plan, outputs, summary = planned(scratch, github_event.push(tmp_path))
    assert (outputs["has_work"], outputs["has_report"]) == ("false", "false")
    assert outputs["rows_0"] == '{"include":[]}'
    assert (plan["rows"], plan["images"], plan["skipped"]) == ([], [], 10)
    assert "10 of 10 rows need nothing" in summary


def test_a_branch_takes_what_is_at_either_repository(scratch: Scratch, registry: Served, tmp_path: Path) -> None:
    publish(scratch, registry, BASES[0])
    publish(scratch, registry, BASES[1], kind="-branch")
    plan, outputs, _ = planned(scratch, github_event.push(tmp_path, "refs/heads/topic"))
    assert {job["image"] for job in work(plan, outputs, "rows_0")} == set(PYTHONS)
    assert not work(plan, outputs, "mirror")
    assert {one["image"] for one in work(plan, outputs, "promote")} == set(PYTHONS)


def test_trusted_runs_do_not_look_at_the_branch_repository(scratch: Scratch, registry: Served, tmp_path: Path) -> None:
    publish(scratch, registry, BASES[0], kind="-branch")
    plan, outputs, _ = planned(scratch, github_event.push(tmp_path))
    assert {job["image"] for job in work(plan, outputs, "rows_0")} == set(BASES)


def test_a_registry_that_does_not_say_blocks_and_is_told_at_the_end(
    scratch: Scratch, proxy: Proxy, registry: Served, tmp_path: Path
) -> None:
    file = scratch.top / ".ci" / "docker" / "images.yml"
    file.write_text(file.read_text().replace(f"trusted: {registry.host}/", f"trusted: {proxy.host}/"))
    tag = tags(scratch)[BASES[0], "amd64"]
    proxy.faults.append(Fault(f"/manifests/{tag}", status=403))
    plan, outputs, _ = planned(scratch, github_event.push(tmp_path))
    rows = {(row["image"], row["arch"]): row for row in plan["rows"]}
    assert (rows[BASES[0], "amd64"]["action"], rows[BASES[0], "amd64"]["code"]) == ("blocked", 8)
    assert rows["linux-bookworm-py3.11", "amd64"]["reason"] == f"its parent {BASES[0]} is blocked"
    assert rows["linux-trixie-py3.12", "amd64"]["action"] == "build", "one row stops no other"
    assert outputs["has_report"] == "true"
    assert BASES[0] not in {one["image"] for one in work(plan, outputs, "promote")}


def test_a_pull_request_is_of_what_it_touches(scratch: Scratch, tmp_path: Path) -> None:
    scratch.git("checkout", "--quiet", "-b", "topic")
    scratch.write("python/Dockerfile", "ARG BASE\nFROM ${BASE}\nARG PYTHON_VERSION\nRUN true\n")
    scratch.commit()
    scratch.git("checkout", "--quiet", "main")
    scratch.git("-c", "user.name=t", "-c", "user.email=t@example.invalid", "merge", "-q", "--no-ff", "-m", "m", "topic")
    plan, outputs, _ = planned(scratch, github_event.pull_request(tmp_path))
    assert {job["image"] for job in work(plan, outputs, "rows_1")} == set(PYTHONS)
    assert {job["image"] for job in work(plan, outputs, "rows_0")} == set(BASES), "absent, and needed"
    said = {row["reason"] for row in plan["rows"] if row["level"]}
    assert said == {"Dockerfile lost `COPY common/install_python.sh /tmp/` since HEAD^1, and 3 more"}

    plan, outputs, _ = planned(scratch, github_event.pull_request(tmp_path, head="somebody/fork"))
    assert {job["image"] for job in work(plan, outputs, "rows_0")} == set(PYTHONS), "built in the engine of its job"
    assert not work(plan, outputs, "promote")
    assert all(job["tag"].endswith("-local") for job in work(plan, outputs, "rows_0"))


def test_a_pull_request_whose_base_is_not_known_is_of_all_that_is_absent(scratch: Scratch, tmp_path: Path) -> None:
    plan, outputs, _ = planned(scratch, github_event.pull_request(tmp_path))
    assert {job["image"] for job in work(plan, outputs, "rows_0")} == set(BASES)


def test_the_schedule_asks_no_state(scratch: Scratch, registry: Served, tmp_path: Path) -> None:
    publish(scratch, registry, BASES[0])
    plan, outputs, _ = planned(scratch, github_event.schedule(tmp_path))
    jobs = work(plan, outputs, "rows_0") + work(plan, outputs, "rows_1")
    assert {job["image"] for job in jobs} == EVERY
    assert {job["tag"] for job in jobs} == {f"{j['image']}-weekly-{outputs['day']}-{j['arch']}" for j in jobs}
    promoted = {one["tag"] for one in work(plan, outputs, "promote")}
    assert promoted == {f"{image}-weekly-{outputs['day']}" for image in EVERY}
    assert not work(plan, outputs, "mirror")


@pytest.mark.parametrize("option", ["--offline", "--exit-code", "--at=trusted", "--arch=amd64"])
def test_it_is_for_the_event_alone(scratch: Scratch, option: str) -> None:
    ended = scratch.inv("plan", "--github", option)
    assert ended.code == 2
    assert "--github plans for the event alone" in ended.err


@pytest.mark.parametrize(
    ("builders", "event", "addresses", "depot"),
    [
        ("{remote: {amd64: tcp://10.0.0.1:1234, insecure: yes}}", "push", {"amd64": "tcp://10.0.0.1:1234"}, "false"),
        ("{remote: {amd64: tcp://10.0.0.1:1234, insecure: yes}}", "fork", {}, "false"),
        ("{remote: {amd64: tcp://10.0.0.1:1234, insecure: yes}, depot: {trusted: abc}}", "push", {}, "true"),
        ("{depot: {trusted: abc}}", "branch", {}, "false"),
    ],
)
def test_who_builds_the_rows(
    scratch: Scratch, tmp_path: Path, builders: str, event: str, addresses: dict[str, str], depot: str
) -> None:
    """The worker of each row where the event may push; Depot goes before, and has no address."""
    file = scratch.top / ".ci" / "docker" / "images.yml"
    file.write_text(f"builders: {builders}\n{file.read_text()}")
    env = {
        "push": lambda: github_event.push(tmp_path),
        "branch": lambda: github_event.push(tmp_path, "refs/heads/topic"),
        "fork": lambda: github_event.pull_request(tmp_path, head="somebody/fork"),
    }[event]()
    plan, outputs, _ = planned(scratch, env)
    jobs = work(plan, outputs, "rows_0")
    assert {job["arch"]: job["address"] for job in jobs} == {
        arch: addresses.get(arch, "") for arch in ("amd64", "arm64")
    }
    assert outputs["depot"] == depot
    minutes = {job["arch"]: job["timeout"] for job in jobs}
    assert minutes["amd64"] == minutes["arm64"] + (120 if addresses else 0), "the time to reach a worker is added"
