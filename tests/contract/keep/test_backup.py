"""Images that are backed up, lost and recovered: the same digests, whatever breaks and whoever is killed on the way."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, cast

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.bucket.store import blob_key
from imageyard.bucket.upload import PART, upload
from imageyard.errors import CheckFailed, Denied, ImageyardError, NotFound, Transient
from imageyard.keep.backup_expiry import expire
from imageyard.keep.backup_index import backed_up, read_generations
from imageyard.keep.backup_marker import LONGEST_BACKUP, backing_up, expiring
from imageyard.keep.backup_place import BackupPlace
from imageyard.keep.backup_repair import repair
from imageyard.keep.backup_verify import verify
from imageyard.keep.recover import Recovery, entries_of_generation, recover
from imageyard.oci.layout import LayoutStore
from imageyard.oci.manifests import Descriptor, digest_of
from imageyard.oci.revocation import NOTICE_TAG, Revocation, mark, marker_tag, revocation_of
from imageyard.registry.remote import SpooledBlob
from imageyard.registry.store import RegistryStore
from support.aws.bucket import StrictS3
from support.building.checkout import CATALOGUE, scene_of
from support.git import commit_all, sh
from support.registry.memory import Fault, MemoryRegistry
from support.services import services
from support.yard.kept import Kept, make_kept


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits for seconds between its own tries."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def kept(tmp_path: Path, s3: StrictS3) -> Kept:
    return make_kept(tmp_path / "checkout", s3, s3.create)


@pytest.mark.parametrize("has_referrers", [True, False])
def test_what_was_lost_comes_back_with_the_same_digests(kept: Kept, has_referrers: bool) -> None:
    kept.registry = MemoryRegistry(has_referrers=has_referrers)
    whole = kept.promote()
    before = kept.there()
    done, code = kept.back_up()
    assert (code, len(done)) == (0, 4)
    assert backed_up(kept.bucket) == before[1], "records and signatures too"
    kept.empty()
    done, code = kept.recover(jobs=8)
    assert (code, len(done)) == (0, 4)
    assert kept.there() == before
    place = kept.registry.reference("ci/image")
    assert kept.registry.client().get(place.with_digest(whole.digest)) == whole


def test_what_is_there_is_not_sent_again(kept: Kept, s3: StrictS3) -> None:
    kept.promote()
    kept.back_up()
    begun = len(s3.log)
    assert kept.back_up()[1] == 0
    puts = [line for line, _ in s3.log[begun:] if line.startswith("PUT")]
    assert not [line for line in puts if "/blobs/" in line]
    asked = len(kept.registry.requests)
    assert kept.recover()[1] == 0
    writes = [line for line in kept.registry.requests[asked:] if line.startswith(("POST", "PATCH"))]
    assert writes == []


def test_no_manifest_is_brought_twice_at_once(kept: Kept) -> None:
    """A registry that keeps files truncates what it is given twice, under whoever reads it."""
    whole = kept.promote()
    kept.back_up()
    kept.empty()
    assert kept.recover(jobs=8)[1] == 0
    rows = [entry["digest"] for entry in json.loads(whole.body)["manifests"]]
    puts = [line for line in kept.registry.requests if line.startswith("PUT")]
    assert [sum(line.endswith(f"/manifests/{digest}") for line in puts) for digest in rows] == [1, 1]


def test_a_layer_that_images_share_is_sent_once(kept: Kept) -> None:
    """Images that come back at the same time must not all send it."""
    kept.promote()
    kept.back_up()
    for count in range(5):
        kept.empty()
        assert kept.recover(jobs=8)[1] == 0
        puts = [line for line in kept.registry.requests if line.startswith("PUT") and "/uploads/" in line]
        digests = [line.rpartition("digest=")[2] for line in puts]
        assert sorted(digests) == sorted(set(digests)), count


def test_a_recovery_without_yes_writes_nothing_and_says_what_would_come_back(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.promote()
    kept.back_up()
    kept.empty()
    assert kept.recover(yes=False) == ([], 0)
    assert not [line for line in kept.registry.requests if line.startswith(("PUT", "POST", "PATCH"))]
    told = capsys.readouterr().err
    assert told.count("comes back") == 4
    assert "--yes does it" in told


def test_a_tag_that_names_another_image_now_is_left_alone(kept: Kept) -> None:
    kept.promote()
    kept.back_up()
    kept.empty()
    other = kept.promote("another")
    tags = kept.there()[0]
    done, code = kept.recover()
    assert code == 10
    assert other.digest not in {reference.digest for _, reference in done}
    assert {tag: digest for tag, digest in kept.there()[0].items() if tag in tags} == tags


def test_a_generation_comes_back_as_an_oci_layout(kept: Kept, tmp_path: Path) -> None:
    whole = kept.promote()
    kept.back_up()
    ids = sorted(one.id for one in read_generations(kept.bucket))
    assert [len(id) for id in ids] == [len("2026-W48"), 40] or [len(id) for id in ids] == [40, len("2026-W48")]
    for id in ids:
        entries = entries_of_generation(kept.bucket, id)
        folder = tmp_path / id
        around = services(kept.registry.client())
        wanted = Recovery(f"layout:{folder}", yes=True)
        assert recover(kept.work.project, around, kept.bucket, entries, wanted)[1] == 0
        assert LayoutStore(folder).manifest(whole.digest) == whole
    with pytest.raises(NotFound) as caught:
        entries_of_generation(kept.bucket, "never")
    assert set(caught.value.hint) == {f"inv recover-generation {id}" for id in ids}


def test_an_image_that_is_not_published_is_no_failure_and_none_at_all_is(kept: Kept) -> None:
    with pytest.raises(NotFound, match="has none of the images"):
        kept.back_up()
    kept.promote()
    assert kept.back_up("*")[1] == 0


@pytest.mark.parametrize("how", ["deleted", "flipped"])
@pytest.mark.parametrize("prefix", ["ci/blobs/", "ci/manifests/", "ci/tags/", "ci/generations/"])
def test_verifying_finds_what_could_not_come_back(kept: Kept, s3: StrictS3, how: str, prefix: str) -> None:
    kept.promote()
    kept.back_up()
    verify(services(), kept.bucket, jobs=2)
    key = next(key for key in s3.objects(kept.bucket_name) if key.startswith(prefix))
    body = s3.objects(kept.bucket_name)[key]
    if how == "deleted":
        s3.client().delete_object(Bucket=kept.bucket_name, Key=key)
    else:
        s3.client().put_object(Bucket=kept.bucket_name, Key=key, Body=body[:-20] + b"?" + body[-19:])
    if how == "deleted" and prefix in ("ci/tags/", "ci/generations/"):
        verify(services(), kept.bucket, jobs=2)  # what nothing names is not missed
        return
    with pytest.raises(CheckFailed) as caught:
        verify(services(), kept.bucket, jobs=2)
    if "blobs" in prefix or "manifests" in prefix:
        assert any(key.removeprefix("ci/") in line for line in caught.value.detail)
        kept.empty()
        done, code = kept.recover()
        assert code != 0
        assert {tag for tag, _ in done} == set(kept.there()[0]), "no tag over what is not whole"


def test_an_image_comes_back_revoked_whose_epoch_was_raised_before_the_next_backup(kept: Kept) -> None:
    old_image = kept.promote()
    kept.back_up()
    commit = sh(kept.top, "rev-parse", "HEAD").strip()
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    mark(store, Revocation(old_image.digest, "broken"))
    stranger = digest_of(b"never backed up")
    store.put_manifest(old_image, marker_tag(stranger))
    kept.work = scene_of(kept.top, **{"images.yml": CATALOGUE.replace("base: {", "base: {epoch: 2, ", 1)})
    commit_all(kept.top)
    kept.promote("new")
    assert kept.back_up()[1] == 0
    kept.empty()
    entries = entries_of_generation(kept.bucket, commit)
    around = services(kept.registry.client())
    assert recover(kept.work.project, around, kept.bucket, entries, Recovery(yes=True))[1] == 0
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    assert revocation_of(store, old_image.digest) == Revocation(old_image.digest, "broken")
    assert store.digest_of(NOTICE_TAG) is not None, "what asks for many finds it too"


REVOKED_FAULTS: dict[str, tuple[Fault, int]] = {
    # what of a revocation cannot be put, and how many of the tags come back all the same
    "its marker": (Fault(r"PUT .*/manifests/sha256-.*[.]revoked", 503, times=99), 2),
    "its notice": (Fault("PUT .*/manifests/_revocations", 503, times=99), 2),
    "nothing": (Fault("never", 503), 5),
}


@pytest.mark.parametrize(("fault", "count"), REVOKED_FAULTS.values(), ids=REVOKED_FAULTS)
def test_no_image_comes_back_without_its_revocation(kept: Kept, fault: Fault, count: int) -> None:
    """The marker was written after the backup of its image, so that nothing but its tag leads to it."""
    kept.promote()
    kept.back_up()
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    row = store.digest_of(kept.work.facts("linux-base", "amd64").tag)
    assert row is not None
    mark(store, Revocation(row, "broken"))
    kept.work = scene_of(kept.top, **{"images.yml": CATALOGUE.replace("base: {", "base: {epoch: 2, ", 1)})
    commit_all(kept.top)
    kept.promote("new")
    assert kept.back_up()[1] == 0
    kept.work = scene_of(kept.top, **{"images.yml": CATALOGUE})
    kept.empty()
    kept.registry.faults = [fault]
    done, code = kept.recover(jobs=8)
    there = kept.registry.tags("ci/image")
    assert (len(done), code == 0) == (count, count == 5)
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    assert (row in there.values()) == (revocation_of(store, row) is not None)
    if code == 0:
        puts = [line.rpartition("/")[2] for line in kept.registry.requests if "PUT /v2/ci/image/manifests/" in line]
        assert puts[0] == NOTICE_TAG
        assert puts.count(NOTICE_TAG) == 1
        assert puts.index(marker_tag(row)) < puts.index(row)
    kept.registry.faults = []
    assert kept.recover(jobs=8)[1] == 0
    assert revocation_of(store, row) == Revocation(row, "broken")


def test_a_cut_list_of_tags_leaves_no_revocation_out(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    image = kept.promote()
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    mark(store, Revocation(image.digest, "broken"))
    with monkeypatch.context() as patched:
        patched.setattr(RegistryStore, "tags", lambda self: iter(()))
        with pytest.raises(Transient, match="cut its list of tags"):
            kept.back_up()
        patched.setattr(RegistryStore, "tags", lambda self: iter((NOTICE_TAG,)))
        assert kept.back_up()[1] == 0
    kept.empty()
    assert kept.recover()[1] == 0
    store = RegistryStore(kept.registry.client(), kept.registry.reference("ci/image"))
    assert revocation_of(store, image.digest) is not None


@pytest.mark.parametrize(
    ("how", "prefix", "in_parts"),
    [
        ("deleted", "ci/blobs/", True),
        ("flipped", "ci/blobs/", True),
        ("cut", "ci/blobs/", False),
        ("deleted", "ci/manifests/", False),
        ("flipped", "ci/manifests/", False),
    ],
)
def test_what_is_damaged_is_written_anew_from_the_registry(
    kept: Kept, s3: StrictS3, how: str, prefix: str, in_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.promote()
    kept.back_up()
    right = s3.objects(kept.bucket_name)
    for key in [key for key in right if key.startswith(prefix)]:
        spoil(s3, kept.bucket_name, key, right[key], how)
    if in_parts:
        monkeypatch.setattr("imageyard.bucket.upload.PART", 16)
        monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    around = services(kept.registry.client())
    with pytest.raises(CheckFailed):
        verify(around, kept.bucket, jobs=2)
    verify(around, kept.bucket, jobs=2, mend=True)
    now = s3.objects(kept.bucket_name)
    assert {key: now[key] for key in right} == right
    before = kept.there()
    kept.empty()
    assert kept.recover()[1] == 0
    assert kept.there() == before


def test_a_manifest_that_is_whole_in_the_bucket_is_not_needed_from_the_registry(kept: Kept, s3: StrictS3) -> None:
    """One that the registry lost ends no repair: it names the blobs that are damaged, and the registry has these."""
    whole = kept.promote()
    kept.back_up()
    right = s3.objects(kept.bucket_name)
    lost = [entry["digest"] for entry in json.loads(whole.body)["manifests"]]
    for digest in lost:
        kept.registry.lose("ci/image", digest)
    manifest = f"ci/manifests/{lost[0].replace(':', '/')}"
    for key in [manifest, *(key for key in right if key.startswith("ci/blobs/"))]:
        spoil(s3, kept.bucket_name, key, right[key], "flipped")
    with pytest.raises(CheckFailed) as caught:
        verify(services(kept.registry.client()), kept.bucket, jobs=2, mend=True)
    (line,) = [line for line in caught.value.detail if manifest in line]
    assert line.endswith(f"registry.test/ci/image could not give it: it has no {lost[0]}")
    now = s3.objects(kept.bucket_name)
    wrong = {key for key in right if now[key] != right[key]}
    own = {entry["digest"].replace(":", "/") for entry in json.loads(right[manifest])["layers"]}
    own.add(json.loads(right[manifest])["config"]["digest"].replace(":", "/"))
    assert manifest in wrong
    assert {key.removeprefix("ci/blobs/") for key in wrong - {manifest}} < own, "what this manifest alone names"


@pytest.mark.parametrize("kind", [Denied, Transient])
def test_a_bucket_that_takes_nothing_is_not_taken_for_the_registry(
    kept: Kept, s3: StrictS3, kind: type[ImageyardError], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.promote()
    kept.back_up()
    right = s3.objects(kept.bucket_name)
    for key in [key for key in right if key.startswith(("ci/blobs/", "ci/manifests/"))][::2]:
        spoil(s3, kept.bucket_name, key, right[key], "flipped")

    def refuse(self: Bucket, key: str, body: bytes, media_type: str = "") -> None:
        raise kind("the bucket said no")

    monkeypatch.setattr(Bucket, "replace", refuse)
    with pytest.raises(kind if kind is Denied else CheckFailed) as caught:
        verify(services(kept.registry.client()), kept.bucket, jobs=2, mend=True)
    assert "could not give it" not in str((caught.value.headline, *caught.value.detail))
    assert kind is Denied or any("could not be written: the bucket said no" in line for line in caught.value.detail)


def test_a_list_of_referrers_that_is_missing_is_found_and_put_back(kept: Kept, s3: StrictS3) -> None:
    """Without it a recovery would leave out records and signatures, and end with 0."""
    kept.promote()
    kept.back_up()
    before, right = kept.there(), s3.objects(kept.bucket_name)
    lists = [key for key in right if key.startswith("ci/referrers/")]
    assert lists
    for key in lists:
        spoil(s3, kept.bucket_name, key, right[key], "deleted")
    with pytest.raises(CheckFailed) as caught:
        verify(services(), kept.bucket, jobs=2)
    assert all(any(key.removeprefix("ci/") in line for line in caught.value.detail) for key in lists)
    kept_images, kept.registry = kept.registry, MemoryRegistry()
    verify(services(kept.registry.client()), kept.bucket, jobs=2, mend=True)
    assert s3.objects(kept.bucket_name) == right, "by what the bucket has: no registry is needed"
    assert kept_images.manifests("ci/image") == before[1]
    assert kept.recover()[1] == 0
    assert kept.there() == before


def test_what_the_registry_has_no_more_is_told_and_left_as_it_is(kept: Kept, s3: StrictS3) -> None:
    kept.promote()
    kept.back_up()
    right = s3.objects(kept.bucket_name)
    key = next(key for key in right if key.startswith("ci/blobs/"))
    spoil(s3, kept.bucket_name, key, right[key], "flipped")
    damaged = s3.objects(kept.bucket_name)
    kept.empty()
    with pytest.raises(CheckFailed) as caught:
        verify(services(kept.registry.client()), kept.bucket, jobs=2, mend=True)
    assert any("could not give it" in line for line in caught.value.detail)
    assert s3.objects(kept.bucket_name) == damaged


def test_nothing_is_repaired_while_old_backups_are_being_deleted(kept: Kept) -> None:
    with expiring(kept.bucket), pytest.raises(Transient, match="old backups are being deleted"):
        repair(services(kept.registry.client()), kept.bucket, (), {"blobs/sha256/0": "it is missing"}, lambda *_: None)


def test_a_piece_of_a_blob_that_is_read_is_a_part_that_is_sent(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece is then sent as the bytes that were read: with larger ones each part would be a copy."""
    asked: list[int] = []

    def blob(client: Any, repository: Any, descriptor: Descriptor, piece: int = 0) -> IO[bytes]:
        asked.append(piece)
        return cast("IO[bytes]", SpooledBlob(client, repository, descriptor, piece))

    monkeypatch.setattr("imageyard.registry.store.SpooledBlob", blob)
    kept.promote()
    assert kept.back_up()[1] == 0
    assert set(asked) == {PART}


@pytest.mark.parametrize("in_parts", [False, True])
def test_no_wrong_byte_is_written_over_an_object(
    kept: Kept, s3: StrictS3, in_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry answers with other bytes: what the bucket has stays, whether it is right or not."""
    monkeypatch.setattr("imageyard.bucket.upload.PART", 2 if in_parts else 8 << 20)
    blob = Descriptor("application/octet-stream", digest_of(b"right"), 5)
    key = blob_key(blob.digest)
    for held in (b"right", b"wrong"):
        kept.bucket.replace(key, held)
        with pytest.raises(Transient, match="other bytes"):
            upload(kept.bucket, key, blob, io.BytesIO(b"never"), "a registry", replace=True)
        assert kept.bucket.get(key) == (held, "application/json")
        assert list(kept.bucket.unfinished("")) == []


def spoil(s3: StrictS3, bucket: str, key: str, body: bytes, how: str) -> None:
    """Break an object behind everybody's back."""
    if how == "deleted":
        s3.client().delete_object(Bucket=bucket, Key=key)
    else:
        wrong = body[:-1] if how == "cut" else body[:-1] + bytes([body[-1] ^ 1])
        s3.client().put_object(Bucket=bucket, Key=key, Body=wrong)


def old(bucket: Bucket, days: int) -> datetime:
    return datetime.now(timezone.utc) + timedelta(days=days)


def test_what_a_younger_backup_shares_lives_on(kept: Kept) -> None:
    kept.promote()
    kept.back_up()
    before = kept.there()
    place = BackupPlace(kept.bucket, timedelta(days=30))
    expire(services(), place, yes=True, now=old(kept.bucket, 29))
    assert backed_up(kept.bucket) == before[1]
    expire(services(), place, yes=False, now=old(kept.bucket, 31))
    assert backed_up(kept.bucket) == before[1]
    expire(services(), place, yes=True, now=old(kept.bucket, 31))
    assert [listed.key for listed in kept.bucket.list("")] == []


def test_backups_and_expiry_keep_out_of_each_other_s_way(kept: Kept) -> None:
    bucket = kept.bucket
    with backing_up(bucket), backing_up(bucket), pytest.raises(Transient, match="is running"), expiring(bucket):
        pass
    with expiring(bucket), pytest.raises(Transient, match="old backups are being deleted"), backing_up(bucket):
        pass
    assert list(kept.bucket.list("running/")) == []
    assert timedelta(hours=1) < LONGEST_BACKUP
