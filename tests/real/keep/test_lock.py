"""Bases at a real registry: locked at what it answers, found stale when they move, never invented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.registry.faults import HTML, Fault, Proxy
from support.registry.served import Served, tool
from support.yard.plan import Scratch, make_scratch, put

BOOKWORM = ["linux-bookworm-base", "linux-bookworm-py3.11", "linux-bookworm-py3.12"]
TRIXIE = ["linux-trixie-base", "linux-trixie-py3.12"]


@pytest.fixture
def scratch(registry: Served, tmp_path: Path) -> Scratch:
    """Both bases are at the registry, and not locked."""
    made = make_scratch(tmp_path, registry.host)
    put(registry, made.base("bookworm-slim"))
    put(registry, made.base("trixie-slim"))
    return made


def test_a_base_is_locked_at_the_index_that_the_registry_has(scratch: Scratch) -> None:
    assert scratch.inv("plan", "--at", "trusted").code == 10
    ended = scratch.inv("lock")
    assert ended.code == 0, ended.err
    lines = scratch.lock.read_text().splitlines()
    assert len(lines) == 4
    for line, config, tag in zip(lines[::2], lines[1::2], ("bookworm-slim", "trixie-slim"), strict=True):
        digest = tool("crane", "digest", scratch.base(tag))
        assert config == f"{digest} linux/amd64 {{}}"
        assert re.fullmatch(rf"{re.escape(str(scratch.base(tag)))}@{digest}  # \d{{4}}-\d\d-\d\d", line)
        assert f"{scratch.base(tag)}: locked at {digest[:19]}" in ended.out
    assert scratch.inv("plan", "--at", "trusted").code == 0


def test_what_is_locked_is_left_alone(scratch: Scratch) -> None:
    text = f"# bases\n\n{scratch.base('bookworm-slim')}@sha256:{'1' * 64}  # by hand\n# the end\n"
    scratch.lock.write_text(text)
    assert scratch.inv("lock", "--base", str(scratch.base("trixie-slim"))).code == 0
    digest = tool("crane", "digest", scratch.base("trixie-slim"))
    assert scratch.lock.read_text().startswith(f"{text}{scratch.base('trixie-slim')}@{digest}  # ")
    before = scratch.lock.read_text()
    ended = scratch.inv("lock")
    told = f"{scratch.base('bookworm-slim')}: gone from its registry\n"
    assert (ended.code, ended.out, scratch.lock.read_text()) == (0, told, before)


def test_a_lock_without_configs_gets_them_and_its_digests_stay(scratch: Scratch) -> None:
    assert scratch.inv("lock").code == 0
    whole = scratch.lock.read_text()
    pins = "".join(line for line in whole.splitlines(keepends=True) if not line.startswith("sha256:"))
    scratch.lock.write_text(pins)
    assert f"{scratch.base('trixie-slim')}: its ENV and ONBUILD are locked too" in scratch.inv("lock").out
    assert scratch.lock.read_text() == whole
    ended = scratch.inv("lock")
    assert (ended.code, ended.out, scratch.lock.read_text()) == (0, "all 2 bases are locked\n", whole)


def test_refresh_rewrites_the_lines_that_moved(scratch: Scratch, registry: Served) -> None:
    assert scratch.inv("lock").code == 0
    old = scratch.lock.read_text().replace("  # 2", "  # 1")  # another day
    scratch.lock.write_text(old)
    assert scratch.inv("stale", "--exit-code").code == 3
    now = put(registry, scratch.base("trixie-slim"), note="newer")
    ended = scratch.inv("stale", "--json", "--exit-code")
    assert ended.code == 0
    pins = {pin["base"]: pin for pin in json.loads(ended.out)}
    assert {base: (pin["moved"], pin["images"]) for base, pin in pins.items()} == {
        str(scratch.base("bookworm-slim")): (False, BOOKWORM),
        str(scratch.base("trixie-slim")): (True, TRIXIE),
    }
    assert pins[str(scratch.base("trixie-slim"))]["now"] == now
    assert scratch.lock.read_text() == old
    refreshed = scratch.inv("lock", "--refresh", "--no-epoch")
    assert refreshed.code == 0
    assert f"{scratch.base('bookworm-slim')}: unchanged" in refreshed.out
    was, new = old.splitlines(), scratch.lock.read_text().splitlines()
    assert was[:2] == new[:2]
    assert new[2].startswith(f"{scratch.base('trixie-slim')}@{now}  # 2")
    assert new[3:] == [f"{now} linux/amd64 {{}}"]


def test_a_refresh_gives_every_image_another_tag_and_the_plan_builds_it(scratch: Scratch, registry: Served) -> None:
    """The weekly refresh is a change of inputs like any other: the plan sees it, and says why."""
    assert scratch.inv("lock").code == 0
    scratch.commit()
    before = dict(line.rsplit(maxsplit=1) for line in scratch.inv("tag", "*").out.splitlines())
    put(registry, scratch.base("trixie-slim"), note="newer")
    ended = scratch.inv("lock", "--refresh", "--json")
    assert ended.code == 0, ended.err
    done = json.loads(ended.out)
    after = dict(line.rsplit(maxsplit=1) for line in scratch.inv("tag", "*").out.splitlines())
    assert {f"{one['image']} {one['arch']}": (one["was"], one["now"]) for one in done["tags"]} == {
        row: (tag, after[row]) for row, tag in before.items()
    }
    assert {base["base"]: base["moved"] for base in done["bases"]} == {
        str(scratch.base("bookworm-slim")): False,
        str(scratch.base("trixie-slim")): True,
    }
    (epoch,) = done["epochs"]
    assert scratch.lock.read_text().startswith(f"epoch {epoch['now']}\n")
    words = scratch.inv("tag", "linux-bookworm-base", "--against", "HEAD").out
    assert f'epoch: "" -> lock:{epoch["now"]}' in words
    assert set(scratch.inv("plan", "--at", "trusted", "--json").said("action").values()) == {"build"}
    assert scratch.inv("lock", "--check").code == 0


def test_a_base_that_is_gone_is_stale_and_cannot_be_locked(scratch: Scratch, registry: Served) -> None:
    assert scratch.inv("lock").code == 0
    before = scratch.lock.read_text()
    client = registry.client()
    gone = scratch.base("bookworm-slim")
    client.delete(gone.with_digest(client.head(gone)[0]))
    ended = scratch.inv("stale")
    assert ended.code == 0
    line = next(line for line in ended.out.splitlines() if str(gone) in line)
    assert "gone from its registry" in line
    assert line.split()[-3:] == BOOKWORM
    refreshed = scratch.inv("lock", "--refresh")
    assert (refreshed.code, scratch.lock.read_text()) == (7, before)
    assert "MANIFEST_UNKNOWN" in refreshed.err


@pytest.mark.parametrize("command", [("lock",), ("lock", "--refresh"), ("stale",)], ids=" ".join)
@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (Fault("/manifests/trixie", status=401), 8, "HTTP 401"),
        (Fault("/manifests/trixie", status=403, body=HTML, headers={"Content-Type": "text/html"}), 8, "text/html"),
        (Fault("/manifests/trixie", status=200, body=HTML, headers={"Content-Type": "text/html"}), 9, "text/html"),
    ],
    ids=["401", "403", "page"],
)
def test_one_answer_that_is_missing_leaves_the_file_as_it_is(
    scratch: Scratch, proxy: Proxy, tmp_path: Path, fault: Fault, code: int, words: str, command: tuple[str, ...]
) -> None:
    behind = Scratch(scratch.top, scratch.repository, scratch.bases)
    text = (scratch.top / ".ci/docker/images.yml").read_text()
    behind.write("images.yml", text.replace(scratch.bases.registry, proxy.host))
    before = ""
    if command != ("lock",):
        assert behind.inv("lock").code == 0
        before = scratch.lock.read_text()
    proxy.faults = [fault]
    ended = behind.inv(*command)
    assert ended.code == code
    assert words in ended.err
    assert (scratch.lock.read_text() if scratch.lock.exists() else "") == before


def test_where_no_hub_answers_nothing_is_invented(tmp_path: Path) -> None:
    scratch = make_scratch(tmp_path, "127.0.0.1:1")
    ended = scratch.inv("lock")
    assert (ended.code, ended.out, scratch.lock.exists()) == (9, "", False)
    assert "127.0.0.1:1" in ended.err


def test_a_base_that_no_dockerfile_names(scratch: Scratch) -> None:
    ended = scratch.inv("lock", "--base", f"{scratch.bases}/debian:trixy-slim")
    assert ended.code == 2
    assert f"did you mean '{scratch.base('trixie-slim')}'?" in ended.err
    assert not scratch.lock.exists()


def test_without_locks_nothing_is_stale(scratch: Scratch) -> None:
    ended = scratch.inv("stale", "--exit-code")
    assert (ended.code, ended.out) == (3, "no base is locked: inv lock\n")
