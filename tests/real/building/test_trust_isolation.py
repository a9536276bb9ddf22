"""Trust on real parts: users with rights by repository, caches and images of each level, a branch that is hostile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from imageyard.builders import buildx
from imageyard.errors import Denied
from imageyard.names import Arch, Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.project.labels import INPUTS_LABEL
from imageyard.project.project import find_project
from imageyard.project.recipes import recipes_of
from imageyard.registry.upload import push_bytes
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.github import event as github_event
from support.registry.faults import running
from support.registry.gate import Gate
from support.registry.served import Served, put_image, tool
from support.yard.remote import BASE, TOOL, RemoteYard, make_remote_yard
from support.yard.scratch import Done

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

MAIN, BRANCH = "main-run", "branch-run"

SETTINGS = """\
cache: {{trusted: {repository}-cache, branch: {repository}-cache-branch}}
protected: [main]
builders:
"""

BASE_DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
ADD base/root-${{TARGETARCH}}.tar /
ENV PATH=/bin
RUN echo base of {key} && head -c 16 /dev/urandom > /etc/once
COPY base/word /etc/word
"""
"""Its second layer is another each time it is built: who has the same one took it from a cache."""

ONCE = 1

TOOL_DOCKERFILE = """\
ARG BASE
FROM ${{BASE}}
RUN --mount=type=cache,id={key},target=/kept echo tool of {key} && test ! -e /kept/poison && cp /etc/word /etc/tool
"""


@dataclass
class Isolated:
    """A scratch repository, the gate of its registry, and the credentials of each level of trust."""

    yard: RemoteYard
    gate: Gate
    logins: Mapping[str, dict[str, str]]
    folder: Path

    def main(self, *argv: str) -> Done:
        """A command in a run of a push to main, with its credential."""
        return self.yard.inv(*argv, env={**github_event.push(self.folder), **self.logins[MAIN]})

    def pull_request(self, number: int, *argv: str) -> Done:
        """A command in a run of a pull request of this repository, with its credential."""
        return self.yard.inv(*argv, env={**github_event.pull_request(self.folder, number), **self.logins[BRANCH]})

    def at(self, suffix: str, tag: str | None = None) -> Reference:
        """What one of the repositories has: `""`, `-branch`, `-cache`, `-cache-branch`."""
        return self.gate.reference(f"{self.yard.name}{suffix}", tag)

    def digests(self, suffix: str) -> dict[str, Digest]:
        """What each tag of a repository names, but those of the records beside images."""
        client = self.gate.client(BRANCH)
        tags = [tag for tag in client.tags(self.at(suffix)) if not tag.startswith("sha256-")]
        return {tag: client.head(self.at(suffix, tag))[0] for tag in tags}

    def layers(self, arch: Arch, image: str = BASE, suffix: str = "") -> list[str]:
        """The layers of a published row, as this checkout has it."""
        manifest = json.loads(self.gate.client(BRANCH).get(self.at(suffix, self.yard.tag(image, arch))).body)
        return [layer["digest"] for layer in manifest["layers"]]

    def change(self, path: str, text: str) -> None:
        self.yard.write(path, text)
        self.yard.commit()


@pytest.fixture
def isolated(
    worker_engines: Mapping[Arch, PrivateEngine], locked_registry: Served, roots: Mapping[Arch, bytes], tmp_path: Path
) -> Iterator[Isolated]:
    """Runs of main write two repositories and see no others; runs of branches read these, and write two others."""
    hosts = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    gate = Gate(locked_registry)
    with running(gate), remote_buildkit(hosts["amd64"]) as amd64, remote_buildkit(hosts["arm64"]) as arm64:
        yard = make_remote_yard(
            worker_engines["amd64"], locked_registry, {"amd64": amd64, "arm64": arm64}, roots, tmp_path
        )
        yard.edit("images.yml", yard.host, gate.host)
        yard.host = gate.host
        yard.edit("images.yml", "builders:\n", SETTINGS.format(repository=yard.repository))
        yard.write("base/Dockerfile", BASE_DOCKERFILE.format(key=yard.key))
        yard.write("tool/Dockerfile", TOOL_DOCKERFILE.format(key=yard.key))
        yard.write("base/word", "one\n")
        yard.commit()
        trusted, branch = (yard.name, f"{yard.name}-cache"), (f"{yard.name}-branch", f"{yard.name}-cache-branch")
        gate.rights[MAIN] = dict.fromkeys(trusted, "push")
        gate.rights[BRANCH] = dict.fromkeys(trusted, "pull") | dict.fromkeys(branch, "push")
        logins = {user: gate.login(user, tmp_path / user) for user in gate.rights}
        yield Isolated(yard, gate, logins, tmp_path)


def test_no_cache_is_another_architectures_or_trusts(isolated: Isolated) -> None:
    """Each worker builds first what the other one will not: what comes from a cache comes from the registry's."""
    yard, build = isolated.yard, ("build", BASE, "--builder", "remote")
    done = isolated.main(*build)
    assert done.code == 0, done.all
    mains = isolated.digests("-cache")
    assert set(mains) == {"linux-base-amd64-main", "linux-base-arm64-main"}
    once = {arch: isolated.layers(arch)[ONCE] for arch in ("amd64", "arm64")}
    assert once["amd64"] != once["arm64"]

    isolated.change("base/word", "two\n")
    elsewhere = {"amd64": yard.workers["arm64"], "arm64": yard.workers["amd64"]}
    for arch, worker in elsewhere.items():
        done = isolated.pull_request(17, *build, "--arch", arch, "--address", worker)
        assert done.code == 0, done.all
    assert {arch: isolated.layers(arch, suffix="-branch")[ONCE] for arch in once} == once, "from main's caches"
    own = isolated.digests("-cache-branch")
    assert set(own) == {"linux-base-amd64-pr-17", "linux-base-arm64-pr-17"}
    assert isolated.digests("-cache") == mains

    yard.edit("base/Dockerfile", "RUN echo base", "RUN echo another base")
    yard.commit()
    done = isolated.pull_request(18, *build, "--arch", "amd64")
    assert done.code == 0, done.all
    assert isolated.layers("amd64", suffix="-branch")[ONCE] != once["amd64"]
    assert {tag: own[tag] for tag in own} == {tag: isolated.digests("-cache-branch")[tag] for tag in own}
    assert set(isolated.digests("-cache-branch")) == {*own, "linux-base-amd64-pr-18"}
    assert isolated.digests("-cache") == mains


def forged(isolated: Isolated, suffix: str, image: str, tag: str) -> Digest:
    """An image of the branch's own making, which says that it is made of what main's next one is made of."""
    project = find_project(start=isolated.yard.top)
    inputs = recipes_of(project).of(project.row(image, "amd64")).inputs
    client = isolated.gate.client(BRANCH)
    config = {"config": {"Labels": {INPUTS_LABEL: inputs}}}
    digest = put_image(client, isolated.at(suffix), note=f"forged {tag}", **config)  # type: ignore[arg-type]
    return client.put(isolated.at(suffix, tag), client.get(isolated.at(suffix).with_digest(digest)).body, OCI_MANIFEST)


def everything(isolated: Isolated) -> dict[str, dict[str, Digest]]:
    """All that trusted runs read."""
    return {suffix: isolated.digests(suffix) for suffix in ("", "-cache")}


def test_a_hostile_branch_changes_nothing_that_a_trusted_run_builds_or_skips(isolated: Isolated) -> None:
    """Its code is its own, Imageyard's included; what it has not is another credential."""
    yard, gate = isolated.yard, isolated.gate
    build = ("build", TOOL, "--builder", "remote", "--arch", "amd64")
    done = isolated.main(*build)
    assert done.code == 0, done.all
    trusted = everything(isolated)
    first = {image: yard.tag(image, "amd64") for image in (BASE, TOOL)}
    once = isolated.layers("amd64")[ONCE]
    assert set(trusted[""]) == set(first.values())
    assert set(trusted["-cache"]) == {"linux-base-amd64-main", "linux-tool-amd64-main"}

    # What its steps leave on the worker stays with branches.
    yard.edit("tool/Dockerfile", "test ! -e", "touch")
    yard.commit()
    done = isolated.pull_request(16, *build)
    assert done.code == 0, done.all
    yard.git("reset", "--quiet", "--hard", "HEAD~1")

    # A branch that main will merge: the tags that main's next run looks for are known beforehand.
    isolated.change("base/word", "two\n")
    following = {image: yard.tag(image, "amd64") for image in (BASE, TOOL)}
    assert not set(following.values()) & set(first.values())

    # It writes at the registry what it wants, as it is allowed to.
    lies = {}
    for image, tag in following.items():
        lies[image] = forged(isolated, "-branch", image, tag)
        forged(isolated, "-cache-branch", image, f"{image}-amd64-main")
    # And tries to, where it is not: new tags, those that are there, the caches; by copy, by mount, by deletion.
    client = gate.client(BRANCH)
    body = client.get(isolated.at("-branch", following[BASE])).body
    for target in (
        *(isolated.at("", tag) for tag in (*following.values(), *first.values())),
        *(isolated.at("-cache", tag) for tag in trusted["-cache"]),
        isolated.at("").with_digest(lies[BASE]),
    ):
        with pytest.raises(Denied):
            client.put(target, body, OCI_MANIFEST)
    with pytest.raises(Denied):
        push_bytes(client, isolated.at(""), b"a layer")
    for tag, digest in trusted[""].items():
        with pytest.raises(Denied):
            client.delete(isolated.at("").with_digest(digest))
        copy = [
            buildx.find(),
            "imagetools",
            "create",
            "--tag",
            isolated.at("", tag),
            isolated.at("-branch").with_digest(lies[BASE]),
        ]
        with pytest.raises(subprocess.CalledProcessError) as refused:
            tool(*copy, env=isolated.logins[BRANCH])
        assert b"403" in refused.value.stderr
    assert everything(isolated) == trusted

    # Its decision says that it is main, and that its caches are main's: the worker is asked to write both.
    yard.edit("images.yml", "protected: [main]", 'protected: ["**"]')
    yard.edit("tool/Dockerfile", "echo tool", "echo hostile tool")
    yard.commit()
    event = {**github_event.push(isolated.folder, "refs/heads/topic"), **isolated.logins[BRANCH]}
    decided = json.loads(yard.inv("ci.decide", "--json", env=event).out)
    assert (decided["trust"], decided["push"], decided["cache_written"]) == ("trusted", "trusted", "main")
    done = yard.inv(*build, env=event)
    assert done.code == 8, done.all
    assert "denied at the gate" in done.err
    yard.git("reset", "--quiet", "--hard", "HEAD~1")
    own = {**isolated.logins[BRANCH], "BUILDX_CONFIG": str(isolated.folder / "buildx")}
    tool(buildx.find(), "create", "--name", "own", "--driver", "remote", yard.workers["amd64"], env=own)
    poison = f"FROM {isolated.at('', first[BASE])}\nRUN echo hostile > /etc/once\n"
    to = f"type=registry,ref={isolated.at('-cache', 'linux-base-amd64-main')},mode=max,image-manifest=true"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        tool(buildx.find(), "build", "--builder", "own", "--cache-to", to, "-", env=own, say=poison)
    assert b"denied at the gate" in refused.value.stderr
    assert everything(isolated) == trusted

    # With the decision as it is, it is told so.
    done = isolated.pull_request(17, *build, "--at", "trusted")
    assert done.code == 10, done.all
    assert "a run at branch trust does not publish at trusted" in done.err
    # Its own runs believe what is in its own repository.
    done = isolated.pull_request(17, *build)
    assert done.code == 0, done.all
    assert yard.outcomes() == {TOOL: "skipped"}
    assert yard.record(TOOL, "amd64")["digest"] == lies[TOOL]
    assert everything(isolated) == trusted

    # Main merges it: both are built, from main's cache and on main's parent, and nothing else is looked at.
    gate.used.clear()
    done = isolated.main(*build)
    assert done.code == 0, done.all
    assert yard.outcomes() == {BASE: "published", TOOL: "published"}
    mine = {yard.name, f"{yard.name}-cache"}
    assert {repository for user, repository, _ in gate.used if user == MAIN} == mine
    now = isolated.digests("")
    assert set(now) == {*first.values(), *following.values()}
    assert {tag: now[tag] for tag in first.values()} == trusted[""]
    assert not {now[tag] for tag in following.values()} & set(lies.values())
    base = isolated.layers("amd64")
    assert base[ONCE] == once
    assert isolated.layers("amd64", TOOL)[: len(base)] == base
    assert set(isolated.digests("-cache")) == set(trusted["-cache"])
    done = isolated.main(*build)
    assert (done.code, yard.outcomes()) == (0, {TOOL: "skipped"})
    resolved = isolated.main("resolve", TOOL, "--arch", "amd64")
    assert resolved.out.strip() == str(isolated.at("").with_digest(now[following[TOOL]]))
    # From now on the branch's runs find main's first.
    done = isolated.pull_request(17, *build)
    assert yard.record(TOOL, "amd64")["digest"] == now[following[TOOL]]
