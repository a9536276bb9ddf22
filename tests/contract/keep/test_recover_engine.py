"""Images come back into engines of both image stores, each by what its store knows it by; one that fails stops none."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from imageyard.engine import ImageStore, LoadedImage
from imageyard.keep.recover import entries_of_pattern
from imageyard.keep.recover_engine import recover_to_engine
from imageyard.names import Digest, Reference
from imageyard.oci.revocation import Revocation, mark
from imageyard.registry.store import RegistryStore
from support.aws.bucket import StrictS3
from support.services import services
from support.yard.kept import BASE, Kept, make_kept


@dataclass
class LoadingEngine:
    """An engine that reads of an archive what its image store reads, and runs nothing."""

    image_store: ImageStore
    machine: str = "x86_64"
    loaded: dict[str, LoadedImage] = field(default_factory=dict)
    loses: str = ""

    @property
    def info(self) -> dict[str, str]:
        return {"OSType": "linux", "Architecture": self.machine}

    def inspect(self, reference: str) -> LoadedImage | None:
        return self.loaded.get(reference)

    def load(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            if self.image_store == "classic":
                (one,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
                (name,) = one["RepoTags"]
                id, digest = Digest(one["Config"].removeprefix("blobs/").replace("/", ":")), None
            else:
                (entry,) = json.load(tar.extractfile("index.json"))["manifests"]  # type: ignore[arg-type]
                name = entry["annotations"]["io.containerd.image.name"]
                id = digest = Digest(entry["digest"])
        if self.loses not in name or not self.loses:
            self.loaded[name] = LoadedImage(id, digest, (name,), {}, "linux/amd64", 1, "")


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits for seconds between its own tries."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def kept(tmp_path: Path, s3: StrictS3) -> Kept:
    made = make_kept(tmp_path / "checkout", s3, s3.create)
    made.promote()
    made.back_up()
    return made


def recover(kept: Kept, engine: Any, *, yes: bool = True) -> tuple[list[tuple[str, Reference]], int]:
    entries = entries_of_pattern(kept.work.project, kept.work.recipes, kept.bucket, BASE)
    return recover_to_engine(services(engine=engine), kept.bucket, entries, yes=yes)


def rows_and_whole(kept: Kept) -> tuple[str, str, str]:
    rows = [kept.work.facts(BASE, arch).tag for arch in ("amd64", "arm64")]
    return rows[0], rows[1], kept.work.recipes.index_tag(kept.work.project.catalogue.images[BASE])


def test_the_containerd_store_gets_its_digests_back(kept: Kept) -> None:
    engine = LoadingEngine("containerd")
    assert recover(kept, engine, yes=False) == ([], 0)
    assert engine.loaded == {}
    done, code = recover(kept, engine)
    digests = {tag: digest for tag, digest in kept.there()[0].items() if not tag.startswith("sha256-")}
    assert (code, {tag: name.digest for tag, name in done}) == (0, digests)
    assert {name.rpartition(":")[2]: one.digest for name, one in engine.loaded.items()} == digests
    assert recover(kept, engine) == ([], 0), "it is there"


def test_the_classic_store_gets_ids_and_of_an_index_the_image_for_its_own_platform(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = LoadingEngine("classic", "aarch64")
    done, code = recover(kept, engine)
    amd64, arm64, whole = rows_and_whole(kept)
    assert (code, {(tag, name.digest) for tag, name in done}) == (0, {(tag, None) for tag in (amd64, arm64, whole)})
    ids = {name.rpartition(":")[2]: one.id for name, one in engine.loaded.items()}
    assert ids[whole] == ids[arm64] != ids[amd64]
    told = capsys.readouterr().err
    assert "images get their ids back, and no digests" in told
    assert "it lies beside an image: an engine keeps images only" in told
    assert recover(kept, engine) == ([], 0), "it is there"


@pytest.mark.parametrize("store", ["containerd", "classic"])
def test_what_is_revoked_is_refused_and_the_others_come_back(kept: Kept, store: ImageStore) -> None:
    amd64, arm64, whole = rows_and_whole(kept)
    place = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    mark(place, Revocation(Digest(kept.there()[0][amd64]), "it has a hole"))
    kept.back_up()
    engine = LoadingEngine(store)
    done, code = recover(kept, engine)
    assert (code, {tag for tag, _ in done}) == (10, {arm64, whole})
    assert not any(name.endswith(amd64) for name in engine.loaded)


def test_the_classic_store_has_no_image_over_other_platforms(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    done, code = recover(kept, LoadingEngine("classic", "s390x"))
    assert (code, {tag for tag, _ in done}) == (0, set(rows_and_whole(kept)[:2]))
    assert "it has no image for linux/s390x" in capsys.readouterr().err


@pytest.mark.parametrize("store", ["containerd", "classic"])
def test_one_that_fails_stops_no_other(kept: Kept, store: ImageStore) -> None:
    amd64, _, whole = rows_and_whole(kept)
    place = kept.registry.reference("ci/image")
    engine = LoadingEngine(store)
    other = LoadedImage(Digest(f"sha256:{'0' * 64}"), None, (), {}, "linux/amd64", 1, "")
    engine.loaded[str(place.with_tag(amd64))] = other
    done, code = recover(kept, engine)
    assert (code, len(done)) == (10, 2)
    assert engine.loaded[str(place.with_tag(amd64))] == other, "another image is left alone"

    engine = LoadingEngine(store, loses=whole)
    done, code = recover(kept, engine)
    assert (code, len(done)) == (10, 2), "what was loaded is looked for"
