"""Mirroring between real registries: what is at each mirror afterwards, whatever happened on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard import errors
from imageyard.names import Absent, Present, Reference, parse_reference
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from imageyard.registry.blobs import read
from imageyard.registry.client import Client
from imageyard.registry.states import inspect, state
from support.registry.faults import Answer, Fault, Proxy, running
from support.registry.served import Served, platform, put_image, put_index, serve, tool
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard, put_row
from support.yard.scratch import ARCH


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Another registry than the trusted one."""
    yield from serve(tmp_path_factory.mktemp("far"))


@pytest.fixture
def proxy(far: Served) -> Iterator[Proxy]:
    """The way to the other registry, on which things go wrong."""
    with running(Proxy(far.host)) as found:
        yield found


@pytest.fixture
def yard(registry: Served, proxy: Proxy, tmp_path: Path) -> PromotedYard:
    """One mirror at the other registry, and one beside the trusted repository."""
    return make_promoted_yard(registry, tmp_path, f"{proxy.host}/{{name}}, {registry.host}/{{name}}-near")


def mirrors(yard: PromotedYard) -> list[Reference]:
    return [parse_reference(one) for one in yard.project().catalogue.mirrors]


def ok(yard: PromotedYard, *argv: str) -> str:
    done = yard.inv(*argv)
    assert done.code == 0, done.all
    return done.out.strip()


def test_an_image_is_at_every_mirror_byte_for_byte(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    digest = yard.publish(client, BOTH)
    copies = ok(yard, "mirror", BOTH).splitlines()
    assert copies == [f"{BOTH} {mirror.with_digest(digest)}" for mirror in mirrors(yard)]
    for mirror in mirrors(yard):
        tags = [yard.row_tag(BOTH, "amd64"), yard.row_tag(BOTH, "arm64"), yard.index_tag(BOTH)]
        assert sorted(tool("crane", "ls", mirror).split()) == sorted([*tags, BOTH, *fallbacks(yard, tags[:2])])
        assert tool("crane", "digest", mirror.with_tag(BOTH)) == tool("crane", "digest", mirror.with_tag(tags[2]))
        assert tool("crane", "manifest", mirror.with_tag(BOTH)) == tool("crane", "manifest", yard.at(tags[2]))
        found = inspect(client, mirror.with_tag(BOTH), thorough=True)
        assert found.faults(["linux/amd64", "linux/arm64"]) == []
        for tag in tags[:2]:
            found_there = json.loads(tool("oras", "discover", "--plain-http", "--format", "json", mirror.with_tag(tag)))
            (record,) = found_there.get("manifests") or found_there["referrers"]
            assert record["artifactType"] == ARTIFACT_TYPE


def fallbacks(yard: PromotedYard, tags: list[str]) -> list[str]:
    """The tags that list the records, at a registry without the referrers API."""
    return [tool("crane", "digest", yard.at(tag)).replace(":", "-") for tag in tags]


def test_what_is_there_is_proven_and_left_alone(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    yard.publish(registry.client(), BOTH)
    first = ok(yard, "mirror", BOTH)
    proxy.log.clear()
    again = yard.inv("mirror", BOTH)
    assert (again.code, again.out.strip()) == (0, first)
    assert yard.outcomes() == {BOTH: "skipped"}
    assert proxy.requests("^(PUT|POST|PATCH|DELETE)") == []
    assert proxy.requests("^GET .*/blobs/"), "nothing was read back"


def test_a_mirror_that_lost_a_part_gets_it_again(yard: PromotedYard, registry: Served) -> None:
    """Some clean a registry of what has no tag of its own, the children of an index among it."""
    client = registry.client()
    child = put_row(client, yard.at(), ARCH, yard.inputs(ONE, ARCH), note=yard.key)
    put_index(client, yard.at(yard.index_tag(ONE)), {child: platform(ARCH)})
    ok(yard, "mirror", ONE)
    client.delete(mirrors(yard)[0].with_digest(child))
    again = yard.inv("mirror", ONE)
    assert again.code == 0, again.all
    assert f"child {child} (linux/{ARCH}) is missing" in again.err
    assert client.head(mirrors(yard)[0].with_digest(child))[0] == child
    assert yard.outcomes() == {ONE: "published"}


@pytest.mark.parametrize(
    ("faults", "size"),
    [
        ([Fault("POST .*/uploads/", status=429, headers={"Retry-After": "1"}, times=2)], 0),
        ([Fault("PUT .*/manifests/", status=503, headers={"Retry-After": "1"}, times=2)], 0),
        ([Fault("HEAD .*/manifests/", status=503, times=3)], 0),
        ([Fault("PATCH", "reset", times=2)], 20 << 20),
        ([Fault("PATCH", "lost", times=2)], 20 << 20),
        ([Fault("PUT .*/blobs/", "lost", times=2)], 0),
        ([Fault("PUT .*/manifests/", "lost", times=3)], 0),
    ],
    ids=["429", "503", "503 to questions", "cut upload", "lost piece", "lost end of an upload", "lost manifest"],
)
def test_what_passes_is_waited_out(
    yard: PromotedYard, registry: Served, proxy: Proxy, faults: list[Fault], size: int
) -> None:
    client = registry.client()
    layer = random.Random(7).randbytes(size)
    tag = yard.index_tag(ONE)
    digest = put_row(client, yard.at(tag), ARCH, yard.inputs(ONE, ARCH), note=yard.key, layer=layer)
    raw = client.get(yard.at(tag).with_digest(digest))
    client.put(yard.at(tag), raw.body, raw.media_type)
    proxy.faults = faults
    assert ok(yard, "mirror", ONE).splitlines() == [f"{ONE} {mirror.with_digest(digest)}" for mirror in mirrors(yard)]
    assert [fault.times for fault in faults] == [0] * len(faults)
    (found,) = json.loads(tool("crane", "manifest", mirrors(yard)[0].with_tag(ONE)))["layers"]
    assert size in (0, found["size"])
    assert read(client, mirrors(yard)[0], found["digest"], limit=32 << 20)[:size] == layer


def test_a_mirror_that_refuses_us_stops_no_other(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    client = registry.client()
    digests = [yard.publish(client, ONE), yard.publish(client, BOTH)]
    denied = b'{"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}'
    proxy.faults = [Fault("POST .*/uploads/", status=403, headers={"Content-Type": "application/json"}, body=denied)]
    done = yard.inv("mirror", "*")
    assert done.code == 8
    near = mirrors(yard)[1]
    assert done.out.split() == [ONE, str(near.with_digest(digests[0])), BOTH, str(near.with_digest(digests[1]))]
    assert "permission_denied: write_package" in done.err
    assert done.err.count(f"docker login {proxy.host}") == 1
    assert f"{BOTH}: {mirrors(yard)[0].name} is not asked again" in done.err
    assert yard.outcomes() == {ONE: "blocked", BOTH: "blocked"}
    assert len(proxy.requests("^POST")) <= 4, "a refusal is asked for once, not by each image"
    assert proxy.requests("^PUT") == []
    proxy.faults = []
    assert len(ok(yard, "mirror", "*").splitlines()) == 4


def test_a_silent_mirror_stops_no_other(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    digest = yard.publish(registry.client(), ONE)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yard.edit("images.yml", proxy.host, f"127.0.0.1:{nobody.getsockname()[1]}")
        done = yard.inv("mirror", ONE)
    assert "the connection was refused" in done.err
    assert (done.code, done.out.strip()) == (9, f"{ONE} {mirrors(yard)[1].with_digest(digest)}")


def test_nothing_incomplete_is_mirrored(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    client = registry.client()
    yard.publish(client, BOTH)
    client.delete(yard.at().with_digest(client.head(yard.at(yard.row_tag(BOTH, "arm64")))[0]))
    done = yard.inv("mirror", BOTH)
    assert (done.code, done.out) == (7, ""), "its row is gone with it"
    put = yard.publish_row(client, BOTH, "arm64")
    body = client.get(yard.at().with_digest(put)).body
    layer = json.loads(body)["layers"][0]["digest"]
    link = registry.storage / "docker/registry/v2/repositories" / yard.name / "_layers/sha256" / layer[7:] / "link"
    link.unlink()
    done = yard.inv("mirror", BOTH)
    assert (done.code, done.out) == (10, ""), done.all
    assert f"its blob {layer} is missing" in done.err
    assert proxy.requests("PUT .*/manifests/linux-both$") == []


def test_what_is_not_promoted_is_not_mirrored(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    client = registry.client()
    for arch in ("amd64", "arm64"):
        yard.publish_row(client, BOTH, arch)
    yard.publish(client, ONE, branch=True)
    done = yard.inv("mirror", "*")
    assert (done.code, done.out) == (7, "")
    assert f"next: inv promote {BOTH}" in done.err
    assert proxy.log == [], "no mirror was asked"


def test_other_bytes_than_the_digest_never_get_a_tag(yard: PromotedYard, registry: Served) -> None:
    with running(Proxy(registry.host)) as source:
        yard.edit("images.yml", f"trusted: {registry.host}/{yard.name}, b", f"trusted: {source.host}/{yard.name}, b")
        yard.publish(registry.client(), ONE)
        layer = json.loads(tool("crane", "manifest", yard.at(yard.index_tag(ONE))))["layers"][0]["digest"]
        source.faults = [Fault(f"GET .*/blobs/{layer}", "corrupt")]
        done = yard.inv("mirror", ONE)
    assert done.code in (9, 10), done.all
    assert done.out == ""
    for mirror in mirrors(yard):
        assert registry.client().tags(mirror) == () if yard.text("images.yml").count(str(mirror)) > 1 else True


def test_a_content_tag_is_never_moved_by_itself(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    digest = yard.publish(client, ONE)
    target = mirrors(yard)[0].with_tag(yard.index_tag(ONE))
    other = client.get(target.with_digest(put_image(client, target)))
    client.put(target, other.body, other.media_type)
    done = yard.inv("mirror", ONE)
    assert done.code == 10
    assert "holds another image than the trusted repository" in done.err
    assert client.head(target)[0] == other.digest
    assert client.head(mirrors(yard)[1].with_tag(ONE))[0] == digest, "the other mirror has it"
    ok(yard, "mirror", ONE, "--force")
    assert client.head(target)[0] == digest


def test_where_a_floating_tag_cannot_move_the_content_tag_is_there(
    yard: PromotedYard, registry: Served, proxy: Proxy
) -> None:
    client = registry.client()
    words = b'{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}'
    ok_before = yard.publish(client, ONE)
    ok(yard, "mirror", ONE)
    yard.edit("one/word", yard.key, f"{yard.key} more")
    yard.commit()
    digest = yard.publish(client, ONE)
    proxy.faults = [Fault(f"PUT .*/manifests/{ONE}$", status=400, body=words)]
    done = yard.inv("mirror", ONE)
    assert done.code == 10
    assert "the tag is immutable" in done.err
    assert "--no-floating" in done.err
    assert client.head(mirrors(yard)[0].with_tag(yard.index_tag(ONE)))[0] == digest
    assert client.head(mirrors(yard)[0].with_tag(ONE))[0] == ok_before
    assert ok(yard, "mirror", ONE, "--no-floating")


def commit_word(yard: PromotedYard, image: str, word: str) -> str:
    """Commit another content of an image; its new tag."""
    yard.write(f"{image.removeprefix('linux-')}/word", f"{yard.key} {word}\n")
    yard.commit()
    return yard.index_tag(image)


def test_the_floating_tag_follows_the_branch(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    floating = mirrors(yard)[0].with_tag(ONE)
    first = yard.publish(client, ONE)
    ok(yard, "mirror", ONE, "--no-floating")
    assert state(client, floating) == Absent()
    ok(yard, "mirror", ONE)
    assert client.head(floating)[0] == first
    commit_word(yard, ONE, "second")
    second = yard.publish(client, ONE)
    ok(yard, "mirror", ONE)
    assert client.head(floating)[0] == second != first
    yard.git("-c", "user.name=Yard", "-c", "user.email=yard@example.org", "revert", "--no-edit", "HEAD")
    ok(yard, "mirror", ONE)
    assert client.head(floating)[0] == first, "what was taken back is current again"


def test_a_late_run_of_an_older_commit_turns_nothing_back(yard: PromotedYard, registry: Served, tmp_path: Path) -> None:
    """Its clone is shallow and does not have the newer commit; only the remote knows of it."""
    client = registry.client()
    origin = f"file://{yard.top}"
    late = replace(yard, top=tmp_path / "late")
    old = yard.publish(client, ONE)
    yard.git("clone", "--quiet", "--depth=1", origin, str(late.top))
    commit_word(yard, ONE, "newer")
    new = yard.publish(client, ONE)
    ok(yard, "mirror", ONE)
    done = late.inv("mirror", ONE)
    assert done.code == 0, done.all
    assert f"left alone: at main it is {yard.index_tag(ONE)} by now" in done.err
    for mirror in mirrors(yard):
        assert client.head(mirror.with_tag(ONE))[0] == new
        assert client.head(mirror.with_tag(late.index_tag(ONE)))[0] == old, "its content is there all the same"
    yard.write("images.yml", yard.text("images.yml").replace(ONE, "linux"))
    yard.commit()
    done = late.inv("mirror", ONE)
    assert "main has no such image any more" in done.err
    assert late.git("rev-parse", "--is-shallow-repository") == "true"


def test_an_older_run_may_move_it_where_the_image_is_the_same(
    yard: PromotedYard, registry: Served, tmp_path: Path
) -> None:
    """On a busy branch no run would be of its newest commit by the time it ends."""
    client = registry.client()
    digest = yard.publish(client, ONE)
    late = replace(yard, top=tmp_path / "late")
    yard.git("clone", "--quiet", f"file://{yard.top}", str(late.top))
    commit_word(yard, BOTH, "something else")
    ok(late, "mirror", ONE)
    assert client.head(mirrors(yard)[0].with_tag(ONE))[0] == digest
    assert late.git("rev-parse", "--is-shallow-repository") == "false", "a full clone stays one"


def test_in_a_clone_of_a_fork_the_branch_that_is_followed_counts(
    yard: PromotedYard, registry: Served, tmp_path: Path
) -> None:
    """The fork's own `main` is where it was when it was forked."""
    client = registry.client()
    yard.publish(client, ONE)
    fork, person = tmp_path / "fork", replace(yard, top=tmp_path / "person")
    yard.git("clone", "--quiet", "--bare", str(yard.top), str(fork))
    yard.git("clone", "--quiet", f"file://{fork}", str(person.top))
    person.git("remote", "add", "upstream", f"file://{yard.top}")
    commit_word(yard, ONE, "newer")
    new = yard.publish(client, ONE)
    ok(yard, "mirror", ONE)
    person.git("config", "branch.main.remote", "upstream")
    assert "by now" in person.inv("mirror", ONE).err
    assert client.head(mirrors(yard)[0].with_tag(ONE))[0] == new


def test_only_a_protected_branch_moves_it(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    yard.publish(client, ONE)
    yard.git("checkout", "--quiet", "-b", "feature")
    assert "feature is not protected" in yard.inv("mirror", ONE).err
    yard.git("checkout", "--quiet", "--detach")
    assert "no branch is checked out" in yard.inv("mirror", ONE).err
    assert state(client, mirrors(yard)[0].with_tag(ONE)) == Absent()
    ok(yard, "mirror", ONE, "--branch", "main")
    assert isinstance(state(client, mirrors(yard)[0].with_tag(ONE)), Present)


def test_where_the_branch_cannot_be_asked_the_content_is_there_and_nothing_moves(
    yard: PromotedYard, registry: Served
) -> None:
    client = registry.client()
    digest = yard.publish(client, ONE)
    yard.git("remote", "add", "origin", f"file://{yard.top}-gone")
    done = yard.inv("mirror", ONE)
    assert done.code == 9
    assert "the remote origin did not answer" in done.err
    assert client.head(mirrors(yard)[0].with_tag(yard.index_tag(ONE)))[0] == digest
    assert state(client, mirrors(yard)[0].with_tag(ONE)) == Absent()


def test_a_run_mirrors_only_where_its_event_says_so(yard: PromotedYard, registry: Served, proxy: Proxy) -> None:
    yard.publish(registry.client(), ONE)
    payload = yard.home / "event.json"
    repository = {"full_name": "example/images", "fork": False, "default_branch": "main"}
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "example/images",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_SHA": yard.git("rev-parse", "HEAD"),
    }
    for ref, code in (("refs/heads/feature", 10), ("refs/heads/main", 0)):
        event = {"ref": ref, "after": job["GITHUB_SHA"], "deleted": False, "repository": repository}
        payload.write_text(json.dumps(event))
        done = yard.inv("mirror", ONE, env={**job, "GITHUB_REF": ref})
        assert done.code == code, done.all
        assert bool(proxy.log) is (code == 0)
    assert isinstance(state(registry.client(), mirrors(yard)[0].with_tag(ONE)), Present)


def test_a_run_that_is_killed_leaves_nothing_half_and_ends_well_the_next_time(
    yard: PromotedYard, registry: Served, far: Served
) -> None:
    """Killed at each request that changes something: nothing has a tag before it is whole, and `IMAGE` comes last."""
    client = registry.client()
    digest = yard.publish(client, ONE)
    content = yard.index_tag(ONE)
    seen = set()
    with running(Stalling(far.host)) as stalling:
        yard.edit("images.yml", yard.text("images.yml").partition("mirrors: [")[2].partition("]")[0], f"{far.host}/0")
        name = f"{far.host}/0"

        def move(number: int) -> Reference:
            nonlocal name
            yard.edit("images.yml", f"mirrors: [{name}]", f"mirrors: [{stalling.host}/{yard.name}-{number}]")
            name = f"{stalling.host}/{yard.name}-{number}"
            return parse_reference(f"{far.host}/{yard.name}-{number}")

        move(0)
        stalling.stall(0)
        ok(yard, "mirror", ONE)
        points = stalling.count
        assert points > 5
        for point in range(1, points + 1):
            there = move(point)
            stalling.stall(point)
            with yard.start(["inv", "mirror", ONE]) as child:
                assert stalling.reached.wait(60), f"there is no point {point} of {points}"
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
            stalling.stall(0)
            tags = [tag for tag in listed(client, there) if not tag.startswith("sha256-")]
            for tag in tags:
                assert inspect(client, there.with_tag(tag), thorough=True).faults([f"linux/{ARCH}"]) == []
            assert ONE not in tags or content in tags
            seen.add((content in tags, ONE in tags))
            ok(yard, "mirror", ONE)
            assert {client.head(there.with_tag(tag))[0] for tag in (content, ONE)} == {digest}
    assert (False, False) in seen
    assert (True, False) in seen, "none was killed between the content tag and the floating one"


def listed(client: Client, repository: Reference) -> tuple[str, ...]:
    try:
        return client.tags(repository)
    except errors.NotFound:
        return ()


class Stalling(Proxy):
    """Numbers the requests that change something, and never answers number `at`."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.at = 0
        self.count = 0
        self.reached = threading.Event()

    def stall(self, at: int) -> None:
        self.at, self.count = at, 0
        self.reached.clear()

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        with self.lock:
            changes = handler.command in ("PUT", "POST", "PATCH")
            self.count += changes
            stalls = changes and self.count == self.at
        if stalls:
            self.reached.set()
            self.ended.wait(300)
            raise ConnectionError
        return super().forward(handler, body)
