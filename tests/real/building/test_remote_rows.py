"""Rows that remote workers build, from an orchestrator that has no Docker daemon in reach, and what is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard.building.remote_checks import written
from imageyard.names import Arch
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.engine.socket_relay import Relay
from support.engine.steps import children_of, running_steps, wait_for
from support.github import event as github_event
from support.registry.faults import Answer, Proxy, running
from support.registry.served import Served, tool
from support.yard.remote import BASE, TOOL, RemoteYard

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

NOT_CHECKED = "not checked: built by remote workers"


def test_one_orchestrator_makes_an_image_for_both_architectures(
    remote_yard: RemoteYard, worker_engines: Mapping[Arch, PrivateEngine]
) -> None:
    done = remote_yard.inv("build", BASE, "--builder", "remote")
    assert done.code == 0, done.all
    assert done.all.count(NOT_CHECKED) >= 2
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "published", (BASE, "arm64"): "published"}
    elsewhere = remote_yard.inv("promote", BASE)
    assert elsewhere.code == 7, elsewhere.all
    assert f"inv build {BASE} --arch amd64 --builder remote --at trusted" in elsewhere.err
    promoted = remote_yard.inv("promote", BASE, "--at", "branch")
    assert promoted.code == 0, promoted.all

    index = remote_yard.at(remote_yard.tag(BASE))
    tool("crane", "validate", "--remote", index)
    assert json.loads(tool("skopeo", "inspect", "--tls-verify=false", f"docker://{index}"))["Digest"]
    raw = json.loads(tool("crane", "manifest", index))
    rows = {entry["platform"]["architecture"]: entry["digest"] for entry in raw["manifests"]}
    assert rows == {arch: remote_yard.record(BASE, arch)["digest"] for arch in ("amd64", "arm64")}
    engine = worker_engines["amd64"]
    for arch, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        run = ["run", "--rm", "--pull", "always", "--quiet", "--platform", f"linux/{arch}", str(index)]
        assert engine.docker(*run, "/bin/cat", "/etc/release", "/etc/machine").split() == ["12.5", machine]
        assert engine.docker(*run, "/bin/uname", "-m") == machine
    assert remote_yard.docker_calls == ""

    again = remote_yard.inv("build", BASE, "--builder", "remote")
    assert (again.code, remote_yard.docker_calls) == (0, "")
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "skipped", (BASE, "arm64"): "skipped"}
    assert f"at {remote_yard.repository}-branch" in again.err


def test_what_attests_an_image_goes_with_it(remote_yard: RemoteYard) -> None:
    remote_yard.edit("images.yml", "defaults:\n", "defaults:\n  provenance: max\n")
    done = remote_yard.inv("build", BASE, "--builder", "remote")
    assert done.code == 0, done.all
    promoted = remote_yard.inv("promote", BASE, "--at", "branch")
    assert promoted.code == 0, promoted.all
    index = json.loads(tool("crane", "manifest", remote_yard.at(remote_yard.tag(BASE))))
    rows = [json.loads(tool("crane", "manifest", remote_yard.at(remote_yard.tag(BASE, a)))) for a in ("amd64", "arm64")]
    assert [len(row["manifests"]) for row in rows] == [2, 2]
    found = [entry["digest"] for row in rows for entry in row["manifests"]]
    assert sorted(entry["digest"] for entry in index["manifests"]) == sorted(found)
    attested = [e["annotations"]["vnd.docker.reference.digest"] for e in index["manifests"] if "annotations" in e]
    assert sorted(attested) == sorted(row["manifests"][0]["digest"] for row in rows)


def test_a_child_is_built_on_the_published_parent(remote_yard: RemoteYard) -> None:
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "published", TOOL: "published"}
    parent = remote_yard.at(remote_yard.tag(BASE, "amd64"))
    child = remote_yard.at(remote_yard.tag(TOOL, "amd64"))
    layers = [json.loads(tool("crane", "manifest", image))["layers"] for image in (parent, child)]
    assert layers[1][: len(layers[0])] == layers[0]
    (record,) = json.loads(remote_yard.inv("records", TOOL, "--arch", "amd64", "--at", "branch", "--json").out)
    assert (record["builder"], record["outcome"], record["remarks"]) == ("remote", "published", [NOT_CHECKED])
    assert record["reference"].endswith(record["digest"])

    remote_yard.write("tool/word", "another\n")
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "skipped", TOOL: "published"}


def test_a_failing_step_is_a_failed_build_without_a_tag(remote_yard: RemoteYard) -> None:
    """Whatever it wrote: these are the words of a worker that was lost, and of a registry that may answer later."""
    words = "unexpected EOF; connection reset by peer; 429 Too Many Requests"
    remote_yard.edit("base/Dockerfile", "RUN echo base", f"RUN echo '{words}'; false\nRUN echo base")
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 5, done.all
    assert f"  | {words}" in done.err
    stream = (remote_yard.runs[-1] / "rows" / f"{BASE}.amd64.rawjson").read_text()
    assert written(stream.splitlines())[0] == f"{words}\n", "it was run once"
    assert ".ci/docker/base/Dockerfile:5" in done.err
    assert remote_yard.outcomes() == {BASE: "failed", TOOL: "blocked"}
    assert remote_yard.record(BASE, "amd64")["digest"] is None
    assert remote_yard.inv("resolve", BASE, "--arch", "amd64", "--at", "branch").code == 7


def test_nox_builds_all_rows_of_an_architecture(remote_yard: RemoteYard) -> None:
    done = remote_yard.nox("-j", "2", "-s", "build_image(arch='amd64')", env={"REMOTE_BUILDKIT": "1"})
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "published", TOOL: "published"}
    assert remote_yard.docker_calls == ""
    forced = remote_yard.nox("-s", f"build_image(arch='amd64', image='{TOOL}')", "--", "--builder", "remote", "--force")
    assert forced.code == 0, forced.all
    assert remote_yard.outcomes() == {BASE: "skipped", TOOL: "published"}
    assert remote_yard.record(TOOL, "amd64")["forced"]


@contextmanager
def worker_to_be_cut(engine: PrivateEngine, folder: Path) -> Iterator[tuple[str, Relay]]:
    """The address of a worker, and what makes it go away with all its connections."""
    path = folder / "worker.sock"
    relay = Relay(path, engine.host.removeprefix("unix://"))
    with remote_buildkit(str(path)) as address:
        yield address, relay


CHECKS = """\
    release: {run: cat /etc/release, version: "12"}
    machine: {run: uname -m, matches: "^aarch64"}
    words: {run: "sh -c 'echo err 7 >&2; echo out 3.1'", version: "3.1"}
    absent: {run: which gcc, present: [BASE]}
    lonely: {run: "sh -c '! ifconfig eth0'"}
"""


def test_facts_are_taken_where_checks_run(remote_yard: RemoteYard) -> None:
    """On a worker BuildKit passes on only so much of what a step writes: such a fact is not kept by half."""
    facts = "facts: {words: {run: \"sh -c 'echo b 2; echo warning >&2; echo a 1'\"}, many: {run: seq 1 500000}}"
    remote_yard.edit("images.yml", "dockerfile: base/Dockerfile", f"dockerfile: base/Dockerfile\n    {facts}")
    build = ["build", BASE, "--builder", "remote", "--arch", "amd64"]
    assert remote_yard.inv(*build).code == 0
    record = remote_yard.record(BASE, "amd64")
    assert (record["facts"], record["remarks"]) == ({}, [NOT_CHECKED, "no facts: built by remote workers"])

    remote_yard.edit("images.yml", "dockerfile: base/Dockerfile", "dockerfile: base/Dockerfile\n    remote_checks: yes")
    assert remote_yard.inv(*build, "--force").code == 0
    record = remote_yard.record(BASE, "amd64")
    assert record["facts"] == {"words": ["a 1", "b 2"]}
    assert record["remarks"] == ["no fact many: the builder cut its output"]
    done = remote_yard.inv("facts", BASE, "--arch", "amd64", "--at", "branch")
    assert (done.code, done.out) == (0, "words\ta 1\nwords\tb 2\n")


def test_checks_run_on_the_builder_where_the_image_says_so(remote_yard: RemoteYard) -> None:
    yard = remote_yard
    yard.edit("images.yml", '    release: {run: cat /etc/release, version: "12"}\n', CHECKS)
    yard.edit("images.yml", "dockerfile: base/Dockerfile", "dockerfile: base/Dockerfile\n    remote_checks: yes")
    build = ["build", BASE, "--builder", "remote", "--arch", "arm64"]
    done = yard.inv(*build)
    assert done.code == 0, done.all
    record = yard.record(BASE, "arm64")
    assert {finding["check"]: finding["ok"] for finding in record["findings"]} == dict.fromkeys(
        ("release", "machine", "words", "absent", "lonely"), True
    )
    assert (record["remarks"], NOT_CHECKED in done.err) == ([], False)

    yard.edit("images.yml", 'version: "3.1"', 'version: "3.2"')
    yard.edit("images.yml", "which gcc", "which cat")
    yard.edit("images.yml", "cat /etc/release", "no-such-program --version")
    yard.write("base/Dockerfile", yard.text("base/Dockerfile") + "RUN true\n")
    done = yard.inv(*build)
    assert done.code == 6, done.all
    record = yard.record(BASE, "arm64")
    assert {finding["check"]: finding["actual"] for finding in record["findings"] if not finding["ok"]} == {
        "release": "no such program (exit status 127)",
        "words": "3.1",
        "absent": "present (exit status 0)",
    }
    assert record["outcome"] == "check failed"
    assert yard.inv("resolve", BASE, "--arch", "arm64", "--at", "branch").code == 7


@pytest.mark.parametrize("builder", ["remote", "local"])
def test_a_failed_build_is_run_again_where_the_image_says_so(remote_yard: RemoteYard, builder: str) -> None:
    """The step is killed the first time; the second time what it waits for is ended, and it goes on."""
    yard = remote_yard
    yard.plain = builder == "local"
    yard.edit("base/Dockerfile", "RUN echo base", f"RUN : {yard.key}; sleep 100; true\nRUN echo base")
    yard.edit("images.yml", "dockerfile: base/Dockerfile", "dockerfile: base/Dockerfile\n    attempts: 2")
    child = yard.start([sys.executable, "-m", "invoke", "build", BASE, "--arch", "amd64", "--builder", builder])
    first = wait_for(lambda: running_steps(f": {yard.key}"), child)
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: [pid for pid in running_steps(f": {yard.key}") if pid != first], child)
    os.kill(wait_for(lambda: children_of(second), child), signal.SIGTERM)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, out + err
    assert "attempt 1 of 2 failed: RUN : " in err
    record = yard.record(BASE, "amd64")
    assert (record["attempts"], "; attempt 2" in err) == (2, True)
    assert record["cached"] >= 1, "what the first attempt built is not built again"
    assert len(list((yard.runs[-1] / "rows").glob("*.rawjson"))) == 2, "both streams are kept"


def test_a_row_whose_worker_is_lost_is_built_again_by_whoever_answers_where_the_image_says_so(
    remote_yard: RemoteYard, worker_engines: Mapping[Arch, PrivateEngine], tmp_path: Path
) -> None:
    """The address is that of a pool; its first worker is taken away in the middle of a step."""
    yard = remote_yard
    yard.edit("base/Dockerfile", "RUN echo base", f"RUN : {yard.key}; sleep 100; true\nRUN echo base")
    yard.edit("images.yml", "dockerfile: base/Dockerfile", "dockerfile: base/Dockerfile\n    attempts: 2")
    socket_path, target = tmp_path / "pool.sock", worker_engines["amd64"].host.removeprefix("unix://")
    with ExitStack() as pool:
        relay = Relay(socket_path, target)
        address = pool.enter_context(remote_buildkit(str(socket_path)))
        child = yard.start([sys.executable, "-m", "invoke", "build", BASE, "--arch", "amd64", "--address", address])
        first = wait_for(lambda: running_steps(f": {yard.key}"), child)
        relay.cut()
        socket_path.unlink()
        Relay(socket_path, target)
        second = wait_for(lambda: [pid for pid in running_steps(f": {yard.key}") if pid != first], child)
        os.kill(wait_for(lambda: children_of(second), child), signal.SIGTERM)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, out + err
    assert "attempt 1 of 2 was lost with its builder: " in err
    assert yard.row_outcomes() == {(BASE, "amd64"): "published"}
    assert yard.record(BASE, "amd64")["attempts"] == 2
    assert len(list((yard.runs[-1] / "rows").glob("*.rawjson"))) == 2, "both streams are kept"


def test_a_worker_that_is_lost_leaves_no_tag(
    remote_yard: RemoteYard, worker_engines: Mapping[Arch, PrivateEngine], tmp_path: Path
) -> None:
    slow = f": {remote_yard.key}; sleep 100; :"
    remote_yard.edit("base/Dockerfile", "RUN echo base", f"RUN {slow}\nRUN echo base")
    build = ["build", BASE, "--arch", "amd64"]
    with worker_to_be_cut(worker_engines["amd64"], tmp_path) as (address, relay):
        child = remote_yard.start([sys.executable, "-m", "invoke", *build, "--address", address])
        wait_for(lambda: running_steps(slow), child)
        relay.cut()
        out, err = child.communicate(timeout=120)
    assert child.returncode == 9, out + err
    assert f"{address} was lost in mid-build" in err
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "blocked"}
    assert remote_yard.inv("resolve", BASE, "--arch", "amd64", "--at", "branch").code == 7

    remote_yard.edit("base/Dockerfile", slow, "true")
    assert remote_yard.inv(*build, "--builder", "remote").code == 0
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "published"}


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_orchestrator_that_is_stopped_stops_its_worker(remote_yard: RemoteYard, how: int, code: int) -> None:
    slow = f": {remote_yard.key}; sleep 100; :"
    remote_yard.edit("base/Dockerfile", "RUN echo base", f"RUN {slow}\nRUN echo base")
    child = remote_yard.start([sys.executable, "-m", "invoke", "build", BASE, "--builder", "remote", "--arch", "amd64"])
    wait_for(lambda: running_steps(slow), child)
    os.kill(child.pid, how)
    out, err = child.communicate(timeout=120)
    assert child.returncode == code, out + err
    assert (running_steps(slow), remote_yard.docker_calls) == ([], "")
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "interrupted"}
    assert [path.name for path in remote_yard.tmp.iterdir()] == []
    assert {path.suffix for path in (remote_yard.runs[-1] / "rows").iterdir()} == {".json", ".rawjson"}


def test_a_worker_that_is_not_there_is_told_with_its_address(remote_yard: RemoteYard) -> None:
    address = "tcp://127.0.0.1:9"
    remote_yard.edit("images.yml", "connect_timeout: 10s", "connect_timeout: 1s")
    done = remote_yard.inv("build", BASE, "--arch", "amd64", env={"REMOTE_BUILDKIT": address})
    assert done.code == 9, done.all
    assert address in remote_yard.result["headline"]


def test_an_architecture_without_a_worker_is_told_before_anything_is_built(remote_yard: RemoteYard) -> None:
    remote_yard.edit("images.yml", f'arm64: "{remote_yard.workers["arm64"]}", ', "")
    done = remote_yard.inv("build", BASE, "--builder", "remote")
    assert done.code == 2, done.all
    assert "builders.remote has no address for arm64" in done.err
    assert remote_yard.runs == []


def test_what_is_published_as_trusted_is_built_on_trusted_workers(remote_yard: RemoteYard) -> None:
    """The branch's worker is one that is there, the trusted one is not."""
    worker = f'{{amd64: "{remote_yard.workers["amd64"]}", insecure: yes}}'
    absent = '{amd64: "tcp://127.0.0.1:9", insecure: yes, connect_timeout: 1s}'
    plain = "".join(line for line in remote_yard.text("images.yml").splitlines(True) if line.startswith("  remote:"))
    remote_yard.edit("images.yml", plain, f"  remote: {{trusted: {absent}, branch: {worker}}}\n")
    build = ["build", BASE, "--builder", "remote", "--arch", "amd64"]
    done = remote_yard.inv(*build)
    assert done.code == 0, done.all
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "published"}
    done = remote_yard.inv(*build, "--at", "trusted")
    assert done.code == 9, done.all
    assert "tcp://127.0.0.1:9" in remote_yard.result["headline"]

    remote_yard.edit("images.yml", f"trusted: {absent}, ", "")
    done = remote_yard.inv(*build, "--at", "trusted")
    assert done.code == 2, done.all
    assert "builders.remote.trusted has no address for amd64" in done.err
    assert "builders: {remote: {trusted: {amd64: tcp://HOST:PORT}}}" in done.err


class BothSeeNothing(Proxy):
    """Holds back the first two questions for a tag until both have come."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.tag = "not yet known"
        self.asked = 0
        self.start = threading.Barrier(2)

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        first = False
        if handler.command in ("GET", "HEAD") and handler.path.endswith(f"/manifests/{self.tag}"):
            with self.lock:
                self.asked += 1
                first = self.asked <= 2
        answer = super().forward(handler, body)
        if first:
            self.start.wait(60)
        return answer


def test_of_two_orchestrators_one_adopts_the_image_of_the_other(
    remote_yard: RemoteYard, registry: Served, tmp_path: Path
) -> None:
    with running(BothSeeNothing(registry.host)) as proxy:
        remote_yard.edit("images.yml", registry.host, proxy.host)
        remote_yard.host = proxy.host
        remote_yard.commit()
        subprocess.run(["git", "clone", "-q", str(remote_yard.top), str(tmp_path / "clone")], check=True)
        other = replace(remote_yard, top=tmp_path / "clone", env={"XDG_CACHE_HOME": str(tmp_path / "other-cache")})
        proxy.tag = remote_yard.tag(BASE, "amd64")
        argv = [sys.executable, "-m", "invoke", "build", BASE, "--arch", "amd64", "--address"]
        workers = remote_yard.workers  # one for each: a worker makes of the same build at the same time one image
        children = [
            remote_yard.start([*argv, workers["amd64"]]),
            other.start([*argv, workers["arm64"]]),
        ]
        ends = [(child.communicate(timeout=300), child.returncode) for child in children]
        assert [code for _, code in ends] == [0, 0], ends
        records = [yard.record(BASE, "amd64") for yard in (remote_yard, other)]
        assert sorted(record["adopted"] for record in records) == [False, True]
        assert {record["digest"] for record in records} == {tool("crane", "digest", remote_yard.at(proxy.tag))}


def test_what_must_not_be_published_is_refused_before_anything_is_asked(
    remote_yard: RemoteYard, tmp_path: Path
) -> None:
    build = ["build", BASE, "--arch", "amd64", "--builder", "remote"]
    remote_yard.edit("images.yml", remote_yard.host, "127.0.0.1:9")  # where nobody would answer
    for argv, env, words in (
        ([*build, "--", "--label", "a=b"], {}, "what is built with --label a=b is never published"),
        ([*build, "--at", "trusted"], github_event.pull_request(tmp_path), "a run at branch trust does not publish"),
        (build, github_event.pull_request(tmp_path, head="someone/yard"), "a run at fork trust publishes nothing"),
    ):
        done = remote_yard.inv(*argv, env=env)
        assert done.code == 10, done.all
        assert words in done.err
        assert remote_yard.outcomes() == {BASE: "refused"}
    remote_yard.edit("base/Dockerfile", "FROM scratch", "FROM debian:bookworm-slim")
    done = remote_yard.inv(*build)
    assert done.code == 10, done.all
    assert "linux-base is not pinned: debian:bookworm-slim is not locked" in done.err
    assert remote_yard.docker_calls == ""


def test_past_an_unknown_state_nothing_is_built(remote_yard: RemoteYard) -> None:
    remote_yard.edit("images.yml", remote_yard.host, "127.0.0.1:9")
    done = remote_yard.inv("build", BASE, "--arch", "amd64", "--builder", "remote")
    assert done.code == 9, done.all
    assert "nothing was built" in done.err
    assert remote_yard.raw(BASE) == ""


def test_what_one_worker_built_another_takes_from_the_layer_cache(remote_yard: RemoteYard) -> None:
    yard = remote_yard
    yard.edit("images.yml", "builders:", f"cache: {{trusted: {yard.host}/kept, branch: {yard.host}/kept-b}}\nbuilders:")
    job = github_event.pull_request(yard.home, 17)
    build = ["build", BASE, "--arch", "amd64", "--address"]
    done = yard.inv(*build, yard.workers["amd64"], env=job)
    assert done.code == 0, done.all
    assert json.loads(tool("crane", "manifest", f"{yard.host}/kept-b:{BASE}-amd64-pr-17"))["layers"]
    yard.write("base/Dockerfile", yard.text("base/Dockerfile") + "RUN echo one more\n")
    done = yard.inv(*build, yard.workers["arm64"], env=job)
    assert done.code == 0, done.all
    assert yard.record(BASE, "amd64")["cached"] == 2
    yard.write("base/Dockerfile", yard.text("base/Dockerfile") + "RUN echo and another\n")
    done = yard.inv(*build, yard.workers["arm64"], env=job | {"GITHUB_EVENT_NAME": "odd"})
    assert done.code == 10, "what comes of an odd event publishes nothing, caches among it"


def test_a_cache_that_cannot_be_written_is_a_warning_about_a_published_image(remote_yard: RemoteYard) -> None:
    yard = remote_yard
    yard.edit("images.yml", "builders:", "cache: {trusted: 127.0.0.1:9/kept, branch: 127.0.0.1:9/kept-b}\nbuilders:")
    job = github_event.pull_request(yard.home)
    done = yard.inv("build", BASE, "--arch", "amd64", "--builder", "remote", env=job)
    assert done.code == 0, done.all
    assert yard.row_outcomes() == {(BASE, "amd64"): "published"}
    assert "exporting cache" in done.err
    assert "importing cache" in done.err
