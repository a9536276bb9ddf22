"""Images on their way to mirrors: what is copied, what is there, who is asked again, when the floating tag moves."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError, PolicyRefused
from imageyard.http.connections import manager
from imageyard.names import Reference
from imageyard.oci.raw import Raw
from imageyard.plan.decision import Decision
from imageyard.publishing import record_artifact
from imageyard.publishing.mirror import MirrorRequest, mirror
from imageyard.records import Record
from imageyard.registry.vendors import ghcr
from imageyard.runs import Run
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.github.served import github
from support.registry.built import put_built, put_index
from support.registry.memory import Fault, MemoryRegistry
from support.services import services

BASE = "linux-base"
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
NUMBERS = itertools.count(1)
MIRRORED = f"mirrors: [one.test/img, two.test/img]\n{CATALOGUE}"


@dataclass
class Scene:
    """A trusted repository with a promoted image, and two mirrors."""

    work: Workplace
    trusted: MemoryRegistry = field(default_factory=MemoryRegistry)
    one: MemoryRegistry = field(default_factory=lambda: MemoryRegistry("one.test"))
    two: MemoryRegistry = field(default_factory=lambda: MemoryRegistry("two.test", has_referrers=False))

    def promote(self, note: str = "") -> Raw:
        """Put the rows and the image of both architectures into the trusted repository, under their tags."""
        client, place = self.client(), self.trusted.reference("ci/image")
        rows = [(facts, put_built(client, place, facts, note=note)) for facts in self.rows()]
        for facts, raw in rows:
            record = Record(BASE, facts.row.arch, "published", 0, "", started="2026-01-01T00:00:00Z")
            record_artifact.attach(client, place, raw, record)
            client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
        whole = put_index(client, place, rows)
        client.put(place.with_tag(self.tag), whole.body, whole.media_type)
        return whole

    def rows(self) -> Sequence[Any]:
        return [self.work.facts(BASE, arch) for arch in ("amd64", "arm64")]

    @property
    def tag(self) -> str:
        return self.work.recipes.index_tag(self.work.project.catalogue.images[BASE])

    def client(self) -> Any:
        return self.trusted.client(self.one, self.two)

    def mirror(self, **asked: Any) -> tuple[list[tuple[str, Reference]], int]:
        """Mirror in a run of its own."""
        self.run = Run(self.work.services.run.folder.with_name(f"20260101T000000.{next(NUMBERS):03}Z-0000"), owner=True)
        around = services(self.client(), run=self.run)
        return mirror(self.work.project, self.work.recipes, around, MirrorRequest(BASE, branch="main", **asked))

    def record(self) -> dict[str, Any]:
        path = self.run.folder / "rows" / f"{BASE}.all.json"
        return json.loads(path.read_bytes())  # type: ignore[no-any-return]


@dataclass
class Api:
    """The connections to GitHub's API, beside registries in memory; each is real."""

    host: str
    password: str = ""

    def urlopen(self, method: str, url: str, **options: Any) -> Any:
        return manager(f"http://{self.host}", None).urlopen(method, url, **options)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    work = scene_of(tmp_path, **{"images.yml": MIRRORED})
    for argv in (["checkout", "-qb", "main"], ["add", "--all"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, "-C", str(tmp_path), *argv], check=True)
    return Scene(work)


def test_every_mirror_gets_the_rows_the_image_and_the_records(scene: Scene) -> None:
    whole = scene.promote()
    done, code = scene.mirror()
    assert code == 0
    assert [(name, str(reference)) for name, reference in done] == [
        (BASE, f"{host}/img@{whole.digest}") for host in ("one.test", "two.test")
    ]
    for registry in (scene.one, scene.two):
        named = registry.tags("img")
        expected = {facts.tag for facts in scene.rows()} | {scene.tag, BASE}
        assert {tag for tag in named if not tag.startswith("sha256-")} == expected
        assert named[BASE] == named[scene.tag] == whole.digest
        for facts in scene.rows():
            place = registry.reference("img").with_digest(named[facts.tag])  # type: ignore[arg-type]
            assert len(record_artifact.read(scene.client(), place, services().reporter)) == 1
    assert (scene.record()["outcome"], scene.record()["digest"]) == ("published", whole.digest)

    assert scene.mirror()[1] == 0
    assert scene.record()["outcome"] == "skipped"


class Killed(Exception):
    """The process ended here."""


def test_wherever_it_is_killed_a_rerun_does_what_is_missing(scene: Scene) -> None:
    whole = scene.promote()
    for number in itertools.count():
        scene.one, scene.two = MemoryRegistry("one.test", has_referrers=number % 2 == 0), MemoryRegistry("two.test")
        count = itertools.count()

        def before(request: str, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise Killed(request)

        scene.one.before = before
        try:
            scene.mirror()
        except Killed:
            tags = scene.one.tags("img")
            for tag in (scene.tag, BASE):
                assert tags.get(tag, whole.digest) == whole.digest
            scene.one.before = lambda request: None
            assert scene.mirror()[1] == 0
            assert scene.one.tags("img")[BASE] == whole.digest
        else:
            break
    assert number > 30


@pytest.mark.parametrize("fault", [Fault("", 503, times=99), Fault("", 403, times=99, code="DENIED")])
def test_a_mirror_that_refuses_or_is_silent_stops_no_other(scene: Scene, fault: Fault) -> None:
    whole = scene.promote()
    scene.one.faults = [fault]
    done, code = scene.mirror()
    assert [str(reference) for _, reference in done] == [f"two.test/img@{whole.digest}"]
    assert code == (8 if fault.status == 403 else 9)
    assert scene.record()["outcome"] == "blocked"
    fault.times = 0
    assert scene.mirror()[1] == 0


@pytest.mark.parametrize("force", [False, True])
def test_a_content_tag_that_names_another_image_is_never_moved_by_itself(scene: Scene, force: bool) -> None:
    scene.promote("another")
    scene.mirror()
    whole = scene.promote("ours")
    before = scene.one.tags("img")
    done, code = scene.mirror(force=force)
    if force:
        assert (code, len(done)) == (0, 2)
        assert scene.one.tags("img")[scene.tag] == whole.digest
    else:
        assert (code, done) == (10, [])
        assert scene.one.tags("img") == before


def test_a_part_that_the_mirror_lost_is_brought_again(scene: Scene) -> None:
    scene.promote()
    scene.mirror()
    lost = scene.one.tags("img")[scene.rows()[0].tag]
    scene.one.lose("img", lost)
    assert scene.mirror()[1] == 0
    assert lost in scene.one.manifests("img")


def test_what_is_not_promoted_is_not_mirrored(scene: Scene) -> None:
    done, code = scene.mirror()
    assert (done, code) == ([], 7)
    assert scene.one.requests == []


def test_the_floating_tag_moves_only_where_the_branch_stands_for_the_image(scene: Scene) -> None:
    whole, top = scene.promote(), scene.work.project.top
    scene.mirror(floating=False)
    assert BASE not in scene.one.tags("img")

    (top / "word").write_text("a newer word\n")
    subprocess.run(
        ["git", "-C", str(top), "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qam", "2"], check=True
    )
    (top / "word").write_text("word\n")
    assert scene.mirror()[1] == 0
    assert BASE not in scene.one.tags("img"), "a run of an older commit"
    assert "floating tag left alone (at main it is linux-base-" in scene.record()["why"]

    subprocess.run(["git", "-C", str(top), "reset", "-q", "--hard", "HEAD~1"], check=True)
    assert scene.mirror()[1] == 0
    assert scene.one.tags("img")[BASE] == whole.digest


def test_a_run_that_must_not_mirror_asks_nobody(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match="this run does not mirror: a fork"):
        scene.mirror(decision=Decision("fork", "pull_request", "a fork"))
    assert scene.trusted.requests == []
    (tmp_path / "other").mkdir()
    scene.work = scene_of(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="the catalogue names no mirror"):
        scene.mirror()


@pytest.mark.parametrize("linked", [True, False])
def test_a_mirror_that_every_branch_can_write_is_warned_of(
    tmp_path: Path, linked: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And written all the same: who may write it beside us is no reason to stop."""
    work = scene_of(tmp_path, **{"images.yml": f"mirrors: [ghcr.io/acme/ci]\n{CATALOGUE}"})
    for argv in (["checkout", "-qb", "main"], ["add", "--all"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, "-C", str(tmp_path), *argv], check=True)
    with github() as hub:
        repository = {"full_name": "acme/images"} if linked else None
        hub.packages["orgs/acme/packages/container/ci"] = {"repository": repository}
        monkeypatch.setattr(ghcr, "API", hub.url)
        made = Scene(work, one=MemoryRegistry("ghcr.io", password=hub.token), two=Api(hub.url.partition("://")[2]))  # type: ignore[arg-type]
        made.promote()
        assert made.mirror()[1] == 0
        assert hub.asked == ["GET orgs/acme/packages/container/ci"]
    assert BASE in made.one.tags("acme/ci")
    assert ("is linked to the repository acme/images" in capsys.readouterr().err) is linked
