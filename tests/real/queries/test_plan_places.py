"""The plan at a real registry, and at one that refuses or fails; what changed since a revision."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from support.registry.faults import HTML, Fault, Proxy
from support.registry.served import PASSWORD, USER, Served
from support.yard.plan import BASES, PYTHONS, Ended, Scratch, make_scratch, put

EVERY = {*BASES, *PYTHONS}
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def scratch(registry: Served, tmp_path: Path) -> Scratch:
    made = make_scratch(tmp_path, registry.host)
    made.pin()
    made.commit()
    return made


def planned(scratch: Scratch, *argv: str, code: int = 0) -> Ended:
    ended = scratch.inv("plan", "--json", *argv)
    assert ended.code == code, ended.err
    return ended


def test_what_is_absent_is_built_in_levels(scratch: Scratch) -> None:
    ended = planned(scratch, "--at", "trusted")
    assert ended.said("action") == dict.fromkeys(EVERY, "build")
    assert ended.said("reason") == dict.fromkeys(EVERY, f"absent in {scratch.repository}")
    assert ended.said("level") == dict.fromkeys(BASES, 0) | dict.fromkeys(PYTHONS, 1)
    assert ended.rows["linux-trixie-py3.12"]["needs"] == ["linux-trixie-base"]


def test_what_is_there_is_skipped(scratch: Scratch, registry: Served) -> None:
    tags = planned(scratch, "--offline").said("tag")
    there = {"linux-bookworm-base", "linux-trixie-py3.12"}
    for image in there:
        put(registry, scratch.repository.with_tag(tags[image]))
    ended = planned(scratch, "--at", "trusted")
    assert ended.said("tag") == tags
    assert ended.said("action") == {image: "skip" if image in there else "build" for image in EVERY}
    assert ended.rows["linux-bookworm-py3.11"]["level"] == 0
    assert ended.rows["linux-trixie-py3.12"]["reason"] == f"in {scratch.repository}"
    alone = planned(scratch, "--at", "trusted", "--pattern", "linux-trixie-py3.12")
    assert set(alone.rows) == {"linux-trixie-py3.12"}


def test_a_parent_that_is_absent_comes_along(scratch: Scratch) -> None:
    rows = planned(scratch, "--at", "trusted", "--pattern", "linux-bookworm-py3.12").rows
    assert set(rows) == {"linux-bookworm-base", "linux-bookworm-py3.12"}
    assert rows["linux-bookworm-base"]["reason"].endswith(", linux-bookworm-py3.12 needs it")


def test_half_an_image_is_no_image(scratch: Scratch, registry: Served) -> None:
    """A tag on an index whose child is gone is neither there nor absent."""
    tags = planned(scratch, "--offline").said("tag")
    client = registry.client()
    reference = scratch.repository.with_tag(tags["linux-bookworm-base"])
    put(registry, reference)
    child = json.loads(client.get(reference).body)["manifests"][0]["digest"]
    client.delete(reference.with_digest(child))
    ended = planned(scratch, "--at", "trusted", code=9)
    assert ended.rows["linux-bookworm-base"]["action"] == "blocked"
    assert "incomplete" in ended.rows["linux-bookworm-base"]["reason"]
    assert ended.rows["linux-bookworm-py3.11"]["reason"] == "its parent linux-bookworm-base is blocked"
    assert ended.rows["linux-trixie-py3.12"]["action"] == "build"


def test_nothing_is_built_because_of_a_401(locked_registry: Served, tmp_path: Path) -> None:
    scratch = make_scratch(tmp_path, locked_registry.host)
    scratch.pin()
    ended = planned(scratch, "--at", "trusted", code=8)
    assert set(ended.said("action").values()) == {"blocked"}
    assert "UNAUTHORIZED" in ended.rows["linux-trixie-base"]["reason"]
    assert "UNAUTHORIZED" in ended.err
    config = tmp_path / "docker"
    config.mkdir()
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {locked_registry.host: {"auth": login}}}))
    scratch.env["DOCKER_CONFIG"] = str(config)
    assert planned(scratch, "--at", "trusted").said("action") == dict.fromkeys(EVERY, "build")


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        (Fault("/manifests/", status=403, body=HTML, headers={"Content-Type": "text/html"}), "HTTP 403", 8),
        (Fault("/manifests/", status=404, body=HTML, headers={"Content-Type": "text/html"}), "HTTP 404", 9),
        (Fault("/manifests/", status=429), "HTTP 429", 9),
        (Fault("/manifests/", status=500), "HTTP 500", 9),
        (Fault("/manifests/", status=200, body=HTML, headers={"Content-Type": "text/html"}), "text/html", 9),
        (Fault("/manifests/", "reset"), "the connection broke", 9),
    ],
    ids=["403", "404-page", "429", "500", "page", "reset"],
)
def test_nothing_is_built_where_the_registry_does_not_say(
    proxy: Proxy, tmp_path: Path, fault: Fault, words: str, code: int
) -> None:
    scratch = make_scratch(tmp_path, proxy.host)
    scratch.pin()
    proxy.faults = [fault]
    ended = planned(scratch, "--at", "trusted", code=code)
    assert set(ended.said("action").values()) == {"blocked"}
    assert words in ended.err
    assert words in ended.rows["linux-trixie-base"]["reason"]


def test_one_answer_that_is_missing_blocks_its_row_alone(proxy: Proxy, tmp_path: Path) -> None:
    scratch = make_scratch(tmp_path, proxy.host)
    scratch.pin()
    tag = planned(scratch, "--offline").said("tag")["linux-bookworm-py3.11"]
    proxy.faults = [Fault(f"/manifests/{tag}$", status=403)]
    actions = planned(scratch, "--at", "trusted", code=8).said("action")
    assert actions == {image: "blocked" if image == "linux-bookworm-py3.11" else "build" for image in EVERY}


def test_offline_asks_nobody(tmp_path: Path) -> None:
    scratch = make_scratch(tmp_path, NOWHERE)
    ended = planned(scratch, "--offline")
    assert ended.said("reason") == dict.fromkeys(EVERY, "no place was asked")
    assert ended.said("level") == dict.fromkeys(BASES, 0) | dict.fromkeys(PYTHONS, 1)


def test_a_base_that_is_not_locked_is_not_published(registry: Served, tmp_path: Path) -> None:
    scratch = make_scratch(tmp_path, registry.host)
    ended = planned(scratch, "--at", "trusted", code=10)
    assert set(ended.said("action").values()) == {"blocked"}
    assert ended.rows["linux-bookworm-base"]["reason"] == f"{scratch.base('bookworm-slim')} is not locked: inv lock"


def test_what_changed_since_main_in_words(scratch: Scratch) -> None:
    assert planned(scratch, "--offline", "--changed-since", "main").said("action") == dict.fromkeys(EVERY, "skip")
    scratch.git("checkout", "-qb", "topic")
    scratch.write("common/install_python.sh", "echo new\n")
    scratch.lock.write_text(scratch.lock.read_text().replace("2" * 64, "3" * 64))
    scratch.commit()
    ended = planned(scratch, "--offline", "--changed-since", "main")
    assert ended.said("action") == {image: "skip" if image == "linux-bookworm-base" else "build" for image in EVERY}
    reasons = ended.said("reason")
    assert reasons["linux-bookworm-base"] == "unchanged since main"
    assert reasons["linux-bookworm-py3.11"] == "common/install_python.sh changed since main"
    assert reasons["linux-trixie-base"].startswith(f"base {scratch.base('trixie-slim')} moved (sha256:222")
    assert reasons["linux-trixie-base"].endswith(" since main")
    assert reasons["linux-trixie-py3.12"] == "parent linux-trixie-base changed since main, and 1 more"
    assert ended.rows["linux-bookworm-py3.11"]["needs"] == []
    online = planned(scratch, "--at", "trusted", "--changed-since", "main").said("reason")
    assert online == reasons | {"linux-bookworm-base": f"absent in {scratch.repository}"}


def test_what_is_new_since_main(scratch: Scratch) -> None:
    text = (scratch.top / ".ci/docker/images.yml").read_text()
    scratch.write("images.yml", text.replace("linux-trixie-py3.12:", "linux-trixie-py{3.11,3.12}:"))
    ended = planned(scratch, "--offline", "--changed-since", "main")
    assert ended.said("action") == dict.fromkeys(EVERY, "skip") | {"linux-trixie-py3.11": "build"}
    assert ended.rows["linux-trixie-py3.11"]["reason"] == "new since main"
    empty = scratch.git("hash-object", "-t", "tree", "-w", "/dev/null")
    who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    scratch.git("branch", "before", scratch.git(*who, "commit-tree", "-m", "no images yet", empty))
    ended = planned(scratch, "--offline", "--changed-since", "before")
    assert set(ended.said("reason").values()) == {"new since before"}


def test_a_shallow_clone_is_told_what_to_fetch(scratch: Scratch, tmp_path: Path) -> None:
    scratch.git("checkout", "-qb", "topic")
    scratch.write("common/install_python.sh", "echo new\n")
    scratch.commit()
    clone = Scratch(tmp_path / "clone", scratch.repository, scratch.bases)
    source = f"file://{scratch.top}"
    subprocess.run(["git", "clone", "-q", "--depth=1", "--branch=topic", source, str(clone.top)], check=True)
    ended = clone.inv("plan", "--offline", "--json", "--changed-since", "origin/main")
    assert (ended.code, ended.out) == (2, "")
    command = next(line for line in ended.err.splitlines() if "next:" in line).partition("next: ")[2]
    assert command == "git fetch --depth=1 origin +refs/heads/main:refs/remotes/origin/main"
    clone.git(*command.split()[1:])
    reasons = planned(clone, "--offline", "--changed-since", "origin/main").said("reason")
    assert reasons["linux-bookworm-py3.11"] == "common/install_python.sh changed since origin/main"
    assert reasons["linux-bookworm-base"] == "unchanged since origin/main"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--offline", "--at", "trusted"], 2, "--offline asks no place"),
        (["--at", "trustd"], 2, "did you mean 'trusted'?"),
        (["--offline", "--pattern", "linux-nothing"], 2, "linux-nothing"),
        (["--offline", "--changed-since", "main", "--exit-code"], 3, "nothing to build"),
        (["--offline", "--changed-since", "main"], 0, ""),
        (["--offline", "--exit-code"], 0, ""),
    ],
)
def test_exit_codes(scratch: Scratch, argv: list[str], code: int, words: str) -> None:
    ended = scratch.inv("plan", *argv)
    assert ended.code == code
    assert words in ended.err


def test_without_a_registry_there_is_no_place_at_one(scratch: Scratch) -> None:
    text = (scratch.top / ".ci/docker/images.yml").read_text()
    scratch.write("images.yml", text.partition("\n")[2])
    ended = scratch.inv("plan", "--at", "branch")
    assert ended.code == 2
    assert "registry: HOST/REPOSITORY" in ended.err


def test_the_table_for_a_person(scratch: Scratch) -> None:
    ended = scratch.inv("plan", "--offline", "--changed-since", "HEAD", "--pattern", "linux-trixie-base")
    head, line = ended.out.splitlines()
    assert head.split() == ["image", "arch", "level", "action", "why", "tag"]
    assert line.split()[:-1] == ["linux-trixie-base", "amd64", "0", "skip", "unchanged", "since", "HEAD"]


def test_the_session_prints_the_same(scratch: Scratch) -> None:
    told = scratch.inv("plan", "--offline", "--changed-since", "main", "--pattern", "linux-trixie-*")
    ended = scratch.run("nox", "-s", "plan", "--", "linux-trixie-*", "--offline", "--changed-since", "main")
    assert (ended.code, ended.out) == (0, told.out)
