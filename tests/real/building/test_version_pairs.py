"""What holds on every pair of engine and buildx, on both image stores: README's table of versions says the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.engine.private import PrivateEngine
from support.registry.served import tool
from support.yard.pairs import BOTH, CHILD, FAILS, FIRM, FORGETS, LOOSE, PARENT, SECRET, SLOW, STEADY, WRONG, Pair
from support.yard.publishing import PublishingYard
from support.yard.scratch import ARCH, Done

pytestmark = pytest.mark.engine

VERSIONS = {"oldest": ("26.1.", "0.13.")}
NOT_HELD = "the engine's classic image store cannot hold that"


def ok(done: Done) -> str:
    assert done.code == 0, done.all
    return done.out.strip()


def digests(yard: PublishingYard, *passed: str) -> dict[str, str]:
    """Build both images in the engine, and read the digest that a push from there gives them."""
    ok(yard.inv("build", f"{{{LOOSE},{STEADY}}}", *(["--", *passed] if passed else [])))
    found = {
        image: yard.engine.engine.inspect(f"{yard.repository}:{yard.records()[image]['tag']}")
        for image in (LOOSE, STEADY)
    }
    return {image: loaded.id for image, loaded in found.items() if loaded}


def test_a_parent_and_its_child_are_built_checked_tagged_and_then_skipped(
    pair: Pair, pair_engine: PrivateEngine, pair_yard: PublishingYard
) -> None:
    yard = pair_yard
    assert pair_engine.engine.image_store == pair.store
    ok(yard.inv("build", CHILD))
    assert yard.outcomes() == {PARENT: "built", CHILD: "built"}
    record = yard.records()[CHILD]
    for name, start in zip(("engine", "buildx"), VERSIONS.get(pair.age, ("", "")), strict=True):
        assert record["versions"][name].startswith(start), name
    assert [(finding["check"], finding["ok"]) for finding in record["findings"]] == [("release", True), ("gcc", True)]
    assert yard.tags() == {yard.tag(PARENT), yard.tag(CHILD)}
    lines = [json.loads(line) for line in yard.raw(CHILD).splitlines()]
    names = {vertex["name"] for one in lines for vertex in one.get("vertexes") or ()}
    (bound,) = {name for name in names if name.startswith(f"[context {PARENT}] {yard.host}")}
    assert ("@sha256:" in bound) is (pair == Pair("current", "containerd"))
    assert yard.leftovers() == []

    done = yard.inv("build", CHILD)
    assert (done.code, yard.outcomes()) == (0, {CHILD: "skipped"})


def test_what_fails_says_where_and_gets_no_tag(pair_yard: PublishingYard) -> None:
    yard = pair_yard
    done = yard.inv("build", f"{{{FAILS},{FORGETS},{WRONG}}}")
    records = yard.records()
    assert {image: record["code"] for image, record in records.items()} == {FAILS: 5, FORGETS: 5, WRONG: 6, PARENT: 0}
    assert done.code == 5
    assert records[FAILS]["headline"].endswith("ended with exit code 7")
    assert re.search(
        r"^error: \S+/fails/Dockerfile:3: RUN .*\n(.*\n){1,3}  \| the last words\n", done.err, re.MULTILINE
    )
    said = yard.said(FORGETS)
    assert "git sees it" in said
    assert "can't open '/src/left.txt'" in said, "it lies there, and is not sent"
    assert "expected 13, found 12.2.0" in records[WRONG]["headline"]
    assert yard.tags() == {yard.tag(PARENT)}
    assert yard.leftovers() == []


def test_a_secret_is_there_for_a_step_and_in_no_log(pair_yard: PublishingYard) -> None:
    secret = f"token-{pair_yard.key}"
    done = pair_yard.inv("build", SECRET, env={"YARD_TOKEN": secret})
    ok(done)
    assert pair_yard.cat(pair_yard.tag(SECRET), "/length").strip() == str(len(secret))
    assert secret not in done.all + pair_yard.raw(SECRET)


def test_it_is_published_read_back_and_promoted(pair_yard: PublishingYard) -> None:
    yard = pair_yard
    for arch in ("amd64", "arm64"):
        ok(yard.inv("build", BOTH, "--arch", arch))
        pushed = ok(yard.inv("push", BOTH, "--arch", arch))
        reference = yard.at(yard.tag(BOTH, arch))
        assert pushed == f"{BOTH} {arch} {yard.repository}@{tool('crane', 'digest', reference)}"
        tool("crane", "validate", "--remote", reference)
        assert "layers" in json.loads(tool("crane", "manifest", reference)), "no provenance: a plain manifest, no index"
    promoted = ok(yard.inv("promote", BOTH))
    index = yard.at(yard.tag(BOTH))
    assert promoted == f"{yard.repository}@{tool('crane', 'digest', index)}"
    children = json.loads(tool("crane", "manifest", index))["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]


def test_provenance_and_equal_bytes_are_never_less_than_declared(pair: Pair, pair_yard: PublishingYard) -> None:
    yard = pair_yard
    yard.edit("images.yml", "  both: {", "  both: {provenance: min, ")
    done = yard.inv("build", f"{{{BOTH},{STEADY}}}", "--arch", ARCH)
    ok(done)
    told = [line for line in done.err.splitlines() if NOT_HELD in line]
    if pair.store == "classic":
        assert len(told) == 3, "the parent of the one is reproducible too"
        assert "without provenance (min)" in "".join(told)
        assert "without rewritten times" in "".join(told)
        for image in (BOTH, STEADY):
            pushed = yard.inv("push", image, "--arch", ARCH)
            assert (pushed.code, pushed.out) == (4, "")
            assert NOT_HELD in pushed.err
        return
    assert told == []
    ok(yard.inv("push", BOTH, "--arch", ARCH))
    children = json.loads(tool("crane", "manifest", yard.at(yard.tag(BOTH, ARCH))))["manifests"]
    assert [child["platform"]["architecture"] for child in children] == [ARCH, "unknown"]


def test_what_is_reproducible_is_the_same_manifest_whenever_and_wherever_it_is_built(
    pair: Pair, pair_yard: PublishingYard
) -> None:
    yard = pair_yard
    first, second = digests(yard), digests(yard, "--no-cache")
    assert first[LOOSE] != second[LOOSE]
    if pair.store == "classic":
        assert first[STEADY] != second[STEADY], "this store cannot, and so the image is not published"
        return
    assert first[STEADY] == second[STEADY]
    shutil.rmtree(yard.state)
    ok(yard.inv("push", STEADY))
    (record,) = json.loads(ok(yard.inv("records", STEADY, "--json")))
    assert not record["started"].startswith("2000"), "the image says so, and retention must not believe it"
    there = yard.at(yard.tag(STEADY))
    assert tool("crane", "digest", there) == first[STEADY]
    ok(yard.inv("build", STEADY, "--builder", "remote"))
    assert yard.outcomes() == {FIRM: "published", STEADY: "published"}
    assert tool("crane", "digest", yard.at(yard.tag(STEADY), branch=True)) == first[STEADY]


def test_a_remote_worker_pushes_by_digest(pair: Pair, pair_yard: PublishingYard) -> None:
    yard = pair_yard
    done = yard.inv("build", CHILD, "--builder", "remote")
    if pair.store == "classic":
        assert done.code == 4
        assert "is an engine with the classic image store" in done.err
        return
    ok(done)
    assert yard.outcomes() == {PARENT: "published", CHILD: "published"}
    reference = yard.at(yard.tag(CHILD), branch=True)
    assert yard.records()[CHILD]["digest"] == tool("crane", "digest", reference)
    tool("crane", "validate", "--remote", reference)
    assert "layers" in json.loads(tool("crane", "manifest", reference))


def runs(words: str) -> bool:
    """Whether a shell runs somewhere whose command line has these words: that of a step of a build."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if words.encode() in file.read_bytes() and file.read_bytes().startswith(b"/bin/sh"):
                return True
    return False


def test_an_interrupt_leaves_nothing(pair_yard: PublishingYard) -> None:
    yard, words = pair_yard, f"slow of {pair_yard.key}"
    child = yard.start([sys.executable, "-m", "invoke", "build", SLOW])
    try:
        deadline = time.monotonic() + 60
        while not runs(words):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 130
    assert yard.outcomes() == {SLOW: "interrupted"}
    assert (yard.tags(), yard.leftovers()) == (set(), [])
