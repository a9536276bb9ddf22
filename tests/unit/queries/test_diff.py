"""`inv diff` and `inv facts`: which images are compared, and what is told of them, with a registry in memory."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError, Denied, NotFound, Transient
from imageyard.names import Digest, Reference
from imageyard.plan.decision import LOCAL
from imageyard.project.labels import INPUTS_LABEL
from imageyard.project.project import load_project
from imageyard.project.recipes import recipes_of
from imageyard.publishing import record_artifact
from imageyard.queries import facts as fact_queries
from imageyard.queries.changed import DiffRequest, changed
from imageyard.queries.diff import Comparison, rendered
from imageyard.queries.image_side import SideFinder, is_revision
from imageyard.queries.revision_before import revision_before
from imageyard.records import Record
from support.building.checkout import Workplace, scene_of
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import put_image, put_index

BASE, LEAF = "linux-base", "linux-leaf"
PLACE = Reference("registry.test", "ci/image")
OLD = {"packages": ("gcc-12\t12.2.0", "libc6:amd64\t2.36-9", "zlib1g:amd64\t1.2")}
NEW = {"packages": ("gcc-13\t13.3.0", "libc6:amd64\t2.41-2", "zlib1g:amd64\t1.2")}


@dataclass
class Scene:
    """A checkout with commits, and the registry that its images are published at."""

    work: Workplace
    registry: MemoryRegistry

    def git(self, *argv: str) -> str:
        named = ("-c", "user.name=Yard", "-c", "user.email=yard@example.org")
        done = subprocess.run(
            ["git", *named, *argv], cwd=self.work.project.top, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all", "--", ":!.imageyard")
        self.git("commit", "--quiet", "--allow-empty", "--message=State")
        return self.git("rev-parse", "HEAD")

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.work.project.top / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        project = load_project(self.work.project)
        self.work = replace(self.work, project=project, recipes=recipes_of(project))

    def publish(
        self,
        kept: Mapping[str, tuple[str, ...]] | None,
        *,
        tag: str | None = None,
        note: str = "",
        commit: str | None = None,
        arch: str = "amd64",
        day: str = "01",
    ) -> Digest:
        """Publish the base as it is now, with a record of these facts; without a record where they are None."""
        facts, client = self.work.facts(BASE, arch), self.work.services.registry()
        labels, history = {INPUTS_LABEL: facts.recipe.inputs}, [{"created_by": "COPY word / # buildkit"}]
        digest = put_image(client, PLACE, note=note, architecture=arch, config={"Labels": labels}, history=history)
        raw, started = client.get(PLACE.with_digest(digest)), f"2026-01-{day}T00:00:00.000+00:00"
        record = Record(BASE, arch, "published", 0, "", started=started, recipe=facts.recipe.id, commit=commit)
        if kept is not None:
            record_artifact.attach(client, PLACE, raw, replace(record, tag=tag or facts.tag, facts=kept))
        client.put(PLACE.with_tag(tag or facts.tag), raw.body, raw.media_type)
        return digest

    def finder(self, arch: str = "amd64") -> SideFinder:
        return SideFinder(self.work.project, self.work.services, self.work.project.row(BASE, arch), (PLACE,))

    def diff(self, old: str | None = None, new: str | None = None, **asked: Any) -> Comparison:
        return changed(self.finder(), self.work.recipes, DiffRequest(old, new, **asked))

    def text(self, old: str | None = None, new: str | None = None) -> str:
        """The comparison in words, digests and tags cut down to what can be known beforehand."""
        return re.sub(r"-[0-9a-f]{20}\b", "-HEX", str(rendered(self.diff(old, new), as_json=False)))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    registry = MemoryRegistry()
    made = Scene(scene_of(tmp_path, registry.client()), registry)
    (tmp_path / ".git/info/exclude").write_text(".imageyard/\n")
    made.git("checkout", "--quiet", "-b", "main")
    made.commit()
    return made


def test_what_changed_is_told_with_its_reason(scene: Scene) -> None:
    scene.publish(OLD, commit=scene.git("rev-parse", "HEAD"))
    scene.edit("word", "word", "another word")
    scene.publish(NEW, note="twice as large", commit=scene.commit())
    assert scene.text() == "\n".join(
        [
            "linux-base amd64: linux-base-HEX (HEAD^1) -> linux-base-HEX (now)",
            "why:",
            "  word changed",
            "packages: 1 came, 1 went, 1 moved",
            "  moved  libc6:amd64  2.36-9 -> 2.41-2",
            "  came   gcc-13       13.3.0",
            "  went   gcc-12       12.2.0",
            "size: 6 B -> 20 B (+14 B), compressed",
            "  6 B  ->  20 B  +14 B  COPY word / # buildkit",
        ]
    )


def test_it_is_told_as_plain_data(scene: Scene) -> None:
    before = scene.publish(OLD, commit=scene.git("rev-parse", "HEAD"))
    scene.edit("word", "word", "another word")
    after = scene.publish({**NEW, "os": ("one line of words",)}, note="n", commit=scene.commit())
    told: Any = rendered(scene.diff(), as_json=True)
    assert json.loads(json.dumps(told)) == told
    assert (told["image"], told["arch"], told["same"], told["why"]) == (BASE, "amd64", False, ["word changed"])
    assert told["facts"] == {
        "packages": {
            "came": {"gcc-13": "13.3.0"},
            "went": {"gcc-12": "12.2.0"},
            "moved": {"libc6:amd64": ["2.36-9", "2.41-2"]},
            "lines_came": [],
            "lines_went": [],
        }
    }
    assert told["lacking"] == ["HEAD^1 has no fact os"]
    assert [told[side]["reference"] for side in ("from", "to")] == [f"{PLACE.name}@{one}" for one in (before, after)]
    assert [told[side]["size"] for side in ("from", "to")] == [6, 7]
    assert [sorted(pair) for pair in told["layers"]] == [["from", "to"]]


def test_a_tag_a_digest_a_reference_and_a_revision_name_the_same_image(scene: Scene) -> None:
    digest = scene.publish(OLD, commit=scene.git("rev-parse", "HEAD"))
    tag = scene.work.facts(BASE).tag
    scene.edit("word", "word", "another word")
    scene.publish(NEW, note="n", commit=scene.commit())
    told = [scene.diff(name) for name in ("HEAD^1", tag, digest, f"{PLACE.name}:{tag}", f"{PLACE.name}@{digest}")]
    assert {one.why for one in told} == {("word changed",)}, "the commit of the record says what it was made of"
    assert {one.old.reference for one in told} == {PLACE.with_digest(digest)}
    assert len({tuple(one.facts) for one in told}) == 1
    back = scene.diff("HEAD", tag)
    assert back.facts["packages"].came == {"gcc-12": "12.2.0"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("main", True),
        ("HEAD~3", True),
        ("origin/main", True),
        ("HEAD@{1}", True),
        ("weekly-branch", True),
        ("linux-base-fix", True),
        ("linux-base-0123456789abcdef0123", False),
        ("linux-base-0123456789abcdef0123-local", False),
        ("linux-base-weekly-20261107", False),
        ("linux-base-weekly-20261107-amd64", False),
        ("linux-base-weekly-20261107-arm64", True),
        ("linux-leaf-weekly-20261107", True),
        ("weekly-20261107", False),
        (f"sha256:{'0' * 64}", False),
        ("registry.test/ci/image:tag", False),
        (f"registry.test/ci/image@sha256:{'0' * 64}", False),
    ],
)
def test_what_is_a_revision(scene: Scene, name: str, found: bool) -> None:
    assert is_revision(name, scene.work.project.row(BASE, "amd64")) is found


def weekly(day: int) -> str:
    return f"{BASE}-weekly-202601{day:02d}-amd64"


def test_a_canary_is_compared_with_the_one_before_it(scene: Scene) -> None:
    commit = scene.git("rev-parse", "HEAD")
    for day, kept in ((3, OLD), (10, OLD), (17, NEW)):
        scene.publish(kept, tag=weekly(day), note=str(day), commit=commit)
    for name in ("weekly-20260117", weekly(17)):
        told = scene.diff(new=name)
        assert (told.old.tag, told.new.tag) == (weekly(10), weekly(17))
        assert list(told.facts["packages"].moved) == ["libc6:amd64"]
        (why,) = told.why
        assert why.startswith("the recipe is the same")
    assert not scene.diff("weekly-20260103", "weekly-20260110").facts["packages"]
    with pytest.raises(ConfigurationError, match="there is no canary before") as caught:
        scene.diff(new="weekly-20260103")
    assert caught.value.hint == ("name what to compare with: --from",)


def test_of_one_tag_nobody_is_asked(scene: Scene) -> None:
    scene.commit()
    assert scene.text() == "linux-base amd64: linux-base-HEX is the same image, HEAD^1 and now"
    assert scene.registry.requests == []
    told: Any = rendered(scene.diff(), as_json=True)
    assert (told["same"], told["why"], told["facts"]) == (True, [], {})


def test_the_revision_before(scene: Scene) -> None:
    first = scene.commit()
    assert revision_before(scene.work.project) == "HEAD^1"
    scene.edit("word", "word", "changed")
    assert revision_before(scene.work.project) == "HEAD"
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.commit()
    scene.commit()
    assert revision_before(scene.work.project) == first[:12]
    assert revision_before(scene.work.project, base="HEAD^2") == "HEAD^2"
    assert revision_before(scene.work.project, "v1", base="HEAD^2") == "v1^1"


def built_here(scene: Scene, kept: Mapping[str, tuple[str, ...]]) -> str:
    """Keep a record of a build in this checkout, which nobody published; returns the tag."""
    facts = scene.work.facts(BASE)
    started = "2026-01-01T00:00:00.000+00:00"
    record = Record(BASE, "amd64", "built", 0, "", started=started, recipe=facts.recipe.id, tag=facts.tag, facts=kept)
    scene.work.services.run.write(record)
    return facts.tag


def test_what_was_only_built_here_is_compared_by_its_record(scene: Scene) -> None:
    scene.publish(OLD)
    scene.edit("word", "word", "another word")
    built_here(scene, NEW)
    told = scene.diff()
    assert (told.old.name, told.new.reference, told.layers) == ("HEAD", None, ())
    assert list(told.facts["packages"].moved) == ["libc6:amd64"]
    assert "size:" not in scene.text()


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (500, Transient)])
def test_a_registry_that_does_not_say_is_an_error_unless_it_was_built_here(
    scene: Scene, status: int, kind: type[Exception]
) -> None:
    scene.edit("word", "word", "another word")
    scene.registry.faults = [Fault("manifests", status, code="DENIED", times=999)]
    with pytest.raises(kind):
        scene.diff()
    now = built_here(scene, NEW)
    assert scene.finder().named(now).record is not None


def test_an_image_that_is_nowhere(scene: Scene) -> None:
    scene.edit("word", "word", "another word")
    with pytest.raises(NotFound, match=r"is not at registry\.test/ci/image, and was not built here") as caught:
        scene.diff()
    assert caught.value.hint
    with pytest.raises(ConfigurationError, match="unknown revision 'nowhere'"):
        scene.diff("nowhere")


def test_an_index_is_read_for_the_platform_of_the_row(scene: Scene) -> None:
    client = scene.work.services.registry()
    amd64, arm64 = scene.publish(OLD), scene.publish(NEW, arch="arm64", note="arm")
    children: Any = {
        one: {"platform": {"os": "linux", "architecture": arch}} for one, arch in ((amd64, "amd64"), (arm64, "arm64"))
    }
    whole = put_index(client, PLACE.with_tag("both"), children)
    for arch, kept in (("amd64", OLD), ("arm64", NEW)):
        side = scene.finder(arch).named(str(whole))
        assert side.record is not None
        assert side.record.facts == kept
    with pytest.raises(ConfigurationError, match=r"is for linux/arm64, not for linux/amd64"):
        scene.finder().named(arm64)


def test_images_without_facts_are_compared_by_what_is_known(scene: Scene) -> None:
    scene.publish(None)
    scene.edit("word", "word", "another word")
    scene.publish({}, note="n", commit=scene.commit())
    assert scene.text().splitlines()[1:] == [
        "why:",
        "  word changed",
        "HEAD^1 has no facts: no record is beside it",
        "now has no facts: none were taken",
        "size: 6 B -> 7 B (+1 B), compressed",
        "  6 B  ->  7 B  +1 B  COPY word / # buildkit",
    ]


def test_a_record_that_somebody_else_wrote_does_nothing_to_a_terminal(scene: Scene) -> None:
    scene.publish({"packages": ()})
    scene.edit("word", "word", "another word")
    hostile = ("\x1b[2Ja line of words\r\nand more", "name\x1b]0;x\x07\t1\x1b[1m")
    scene.publish({"packages": hostile}, note="\x1b[2J", commit=scene.commit())
    finder = scene.finder()
    side = finder.found(finder.made_of("now", scene.work.recipes, LOCAL))
    listed = fact_queries.listing(finder.row, side, as_json=False)
    assert listed == "packages\ta line of words and more\npackages\tname\t1"
    assert "+ a line of words and more" in scene.text()
    assert not set(scene.text() + str(listed)) & {"\x1b", "\r", "\x07"}


def test_a_recipe_that_no_commit_here_has_is_said(scene: Scene) -> None:
    tag, client = "linux-base-0123456789abcdef0123", scene.work.services.registry()
    scene.publish(OLD, commit=scene.git("rev-parse", "HEAD"))
    raw = client.get(PLACE.with_digest(put_image(client, PLACE, note="theirs")))
    record = Record(BASE, "amd64", "published", 0, "", "2026-01-01T00:00:00Z", recipe="f" * 64, commit="0" * 40)
    record_artifact.attach(client, PLACE, raw, replace(record, facts=NEW))
    client.put(PLACE.with_tag(tag), raw.body, raw.media_type)
    (why,) = scene.diff(new=tag, old="HEAD").why
    assert why.startswith("its recipe changed (")
    assert f"ffffffffffff); the commit of {tag} is not in this clone" in why


# facts


def found(scene: Scene, pattern: str, *, weekly: bool = True) -> list[dict[str, Any]]:
    told = fact_queries.history(scene.finder(), pattern, weekly=weekly)
    listed: Any = fact_queries.history_rendered(told, as_json=True)
    return list(listed)


def test_which_weekly_image_brought_the_new_glibc(scene: Scene) -> None:
    for day, kept in ((3, OLD), (10, OLD), (17, NEW), (24, NEW)):
        scene.publish(kept, tag=weekly(day), note=str(day), day=f"{day:02d}", commit="c0ffee" * 6 + "c0ff")
    scene.publish(None, tag=weekly(31), note="no record")
    scene.registry.requests.clear()
    told = fact_queries.history(scene.finder(), "libc6", weekly=True)
    assert len(scene.registry.requests) <= 1 + 5 * 5, "a bounded number of requests for each canary"
    assert str(fact_queries.history_rendered(told, as_json=False)).splitlines() == [
        f"fact      name         version  {'since':<42}  {'built':<29}  commit",
        "packages  libc6:amd64  2.36-9   linux-base-weekly-20260103-amd64 or before  "
        "2026-01-03T00:00:00.000+00:00  c0ffeec0ffee",
        "packages  libc6:amd64  2.41-2   linux-base-weekly-20260117-amd64            "
        "2026-01-17T00:00:00.000+00:00  c0ffeec0ffee",
    ]
    assert [(one["version"], one["oldest"], one["tag"]) for one in found(scene, "gcc-*")] == [
        ("12.2.0", True, weekly(3)),
        (None, False, weekly(17)),
        ("13.3.0", False, weekly(17)),
    ]


def test_no_more_images_are_asked_than_there_is_a_limit_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_queries, "MOST", 2)
    for day, kept in ((3, OLD), (10, OLD), (17, NEW)):
        scene.publish(kept, tag=weekly(day), note=str(day))
    told = fact_queries.history(scene.finder(), "libc6", weekly=True)
    assert (len(told.published), told.left_out) == (2, 1)
    for n in range(3):
        scene.publish(OLD, tag=f"{BASE}-{n:020d}")
    with pytest.raises(ConfigurationError, match="3 images of linux-base are at"):
        found(scene, "libc6", weekly=False)


def test_images_by_content_are_in_the_order_in_which_they_were_built(scene: Scene) -> None:
    scene.publish(NEW, tag=f"{BASE}-{'0' * 20}", note="new", day="02")
    scene.publish(OLD, tag=f"{BASE}-{'f' * 20}", note="old", day="01")
    scene.publish(NEW, tag=f"{BASE}-{'1' * 20}", note="arm", day="03", arch="arm64")
    assert [(one["version"], one["tag"][-1]) for one in found(scene, "libc6", weekly=False)] == [
        ("2.36-9", "f"),
        ("2.41-2", "0"),
    ]


def test_a_repository_that_does_not_say_is_told_where_no_other_has_it(scene: Scene) -> None:
    scene.publish(OLD, tag=weekly(3))
    closed = Reference("registry.test", "ci/closed")
    finder = replace(scene.finder(), repositories=(closed, PLACE))
    scene.registry.faults = [Fault("ci/closed/tags", 403, code="DENIED", times=99)]
    assert len(fact_queries.history(finder, "libc6", weekly=True).published) == 1
    with pytest.raises(Denied):
        fact_queries.history(finder, "libc6", weekly=False)


def test_what_is_not_found_is_said(scene: Scene) -> None:
    with pytest.raises(NotFound, match=r"no canary of linux-base is at registry\.test/ci/image"):
        found(scene, "libc6")
    scene.publish({}, tag=weekly(3))
    with pytest.raises(NotFound, match=r"no canary of linux-base amd64 at .* has facts"):
        found(scene, "libc6")
    scene.publish(OLD, tag=weekly(10), note="n")
    with pytest.raises(NotFound, match="no canary of linux-base amd64 has 'glibc', of 1 with facts") as caught:
        found(scene, "glibc")
    assert caught.value.hint == ("inv facts linux-base --arch amd64    (all that is kept of it)",)


def test_the_facts_of_one_image(scene: Scene) -> None:
    finder, recipes = scene.finder(), scene.work.recipes
    side = lambda: finder.found(finder.made_of("now", recipes, LOCAL))  # noqa: E731
    scene.publish({})
    with pytest.raises(NotFound, match="no facts of linux-base amd64 are kept at"):
        fact_queries.listing(finder.row, side(), as_json=False)
    scene.publish(OLD)
    assert fact_queries.listing(finder.row, side(), as_json=False) == "\n".join(
        f"packages\t{line}" for line in OLD["packages"]
    )
    told: Any = fact_queries.listing(finder.row, side(), as_json=True)
    assert (told["tag"], told["facts"]) == (scene.work.facts(BASE).tag, {"packages": list(OLD["packages"])})
