"""What a month's lifetime needs, over random histories: backups, expiries, pauses and kills, one within the other.

Whatever happens, what an entry names that was written by a backup which ended well is there for as long as it lives;
and what nothing names goes in the end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.errors import EnvironmentLacks, Transient
from imageyard.keep import backup_index
from imageyard.keep.backup_expiry import expire
from imageyard.keep.backup_index import backed_up, keys_of, read_generations, read_tags
from imageyard.keep.backup_marker import LONGEST_BACKUP, Marker, backing_up, expiring
from imageyard.keep.backup_place import BackupPlace
from imageyard.oci import store as oci_store
from support.aws.timed_s3 import TimedS3
from support.services import services
from support.yard.kept import Kept, make_kept

LIFETIME = timedelta(days=30)
HOUR = timedelta(hours=1)
NOTES = ("one", "two", "three")


class Killed(BaseException):
    """The process was killed."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed is the same history each time."""
    monkeypatch.setattr(backup_index, "_WORKERS", 1)
    monkeypatch.setattr(oci_store, "_WORKERS", 1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return make_kept(tmp_path_factory.mktemp("kept") / "checkout", None, lambda name: None)  # type: ignore[arg-type]


class History:
    """Things that happen, by a seed; in the middle of one another may happen, as on another machine."""

    def __init__(self, kept: Kept, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kept = kept
        kept.empty()
        kept.promote(NOTES[0])
        self.s3 = TimedS3(before=self.meanwhile)
        self.depth = 0
        self.kills = False
        self.whole: dict[str, tuple[datetime, frozenset[str]]] = {}

    def meanwhile(self, operation: str, key: str) -> None:
        """At a request: a kill, or a pause of hours, and all that another machine does in it.

        Never right before a deletion or a tag: who stops for hours between a look and a write cannot know that he did.
        """
        writes = operation == "delete_object" or (operation == "put_object" and key.startswith(("tags/", "generat")))
        if writes or self.chance.random() > 0.02:
            return
        if self.kills and self.chance.random() < 0.2:
            raise Killed
        self.s3.pass_by(HOUR * self.chance.choice((0, 1, 13, 20)))
        if self.depth < 2 and self.chance.random() < 0.7:
            self.event()

    def event(self) -> None:
        """One thing that happens."""
        self.depth += 1
        kills, self.kills = self.kills, False
        try:
            self.chance.choice((self.backup, self.expire, self.publish))()
        finally:
            self.kills = kills
            self.depth -= 1

    def backup(self) -> None:
        self.kept.use(self.s3.bucket())
        self.kills = self.depth == 1
        begun = self.s3.now
        try:
            done, code = self.kept.back_up()
        except (Killed, Transient):
            return
        if code == 0 and done:
            with self.quiet():
                for entry in read_tags(self.s3.bucket()):
                    saved = datetime.fromisoformat(entry.saved)
                    if saved >= begun.replace(microsecond=0):
                        self.whole[entry.tag] = (saved, keys_of(entry))

    def expire(self) -> None:
        self.kills = self.depth == 1
        try:
            expire(services(), BackupPlace(self.s3.bucket(), LIFETIME), yes=True)
        except (Killed, Transient):
            return

    def publish(self) -> None:
        """Another image under the same tags: what it shares with an earlier one is in the bucket, perhaps."""
        self.kept.promote(self.chance.choice(NOTES))

    def run(self, count: int) -> None:
        for _ in range(count):
            self.event()
            self.check()
            self.s3.pass_by(timedelta(days=self.chance.choice((0, 1, 10, 31))))

    def check(self) -> None:
        """What was backed up well and is not older than its lifetime is there."""
        for tag, (saved, keys) in self.whole.items():
            if self.s3.now - saved < LIFETIME:
                lacking = [key for key in sorted(keys) if key not in self.s3.objects]
                assert lacking == [], tag

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing happens in between: the test itself reads."""
        before, self.s3.before = self.s3.before, lambda operation, key: None
        yield
        self.s3.before = before


@pytest.mark.parametrize("seed", range(20))
def test_what_was_backed_up_well_lives_for_its_lifetime(kept: Kept, seed: int, soak: bool) -> None:
    for number in range(seed, 400 if soak else 20, 20):
        history = History(kept, number)
        history.run(20)
        history.s3.before = lambda operation, key: None
        history.s3.pass_by(LIFETIME + LONGEST_BACKUP)
        history.expire()
        history.s3.pass_by(LONGEST_BACKUP)
        history.expire()
        left = [key for key in history.s3.objects if not key.startswith("running/expiry-")]  # of one that was killed
        assert left == [], "and what nobody needs goes"


def test_a_backup_that_takes_long_is_not_taken_for_a_dead_one() -> None:
    s3 = TimedS3()
    with backing_up(s3.bucket()) as marker:
        for _ in range(10):
            s3.pass_by(10 * HOUR)
            marker.confirm()
            with pytest.raises(Transient, match="is running"), expiring(s3.bucket()):
                pass


def test_an_expiry_that_takes_long_is_not_taken_for_a_dead_one() -> None:
    s3 = TimedS3()
    with expiring(s3.bucket()) as marker:
        for _ in range(10):
            s3.pass_by(HOUR / 2)
            marker.confirm()
            with pytest.raises(Transient, match="old backups are being deleted"), backing_up(s3.bucket()):
                pass


@pytest.mark.parametrize(("slow", "other"), [(backing_up, expiring), (expiring, backing_up)])
def test_who_slept_past_his_marker_stops(slow: type[Marker], other: type[Marker]) -> None:
    s3 = TimedS3()
    with slow(s3.bucket()) as marker:  # type: ignore[attr-defined]
        marker.confirm()
        s3.pass_by(LONGEST_BACKUP)
        with other(s3.bucket()):  # type: ignore[attr-defined]
            pass
        with pytest.raises(Transient, match="took too long without a sign of life"):
            marker.confirm()


def test_a_killed_backup_is_waited_for_and_then_forgotten() -> None:
    s3 = TimedS3()
    Marker(s3.bucket(), "running/backup-killed")
    with pytest.raises(Transient, match="is running"), expiring(s3.bucket()):
        pass
    s3.pass_by(LONGEST_BACKUP)
    with expiring(s3.bucket()):
        pass
    assert s3.objects == {}


@pytest.mark.parametrize("hours", [-24 * 365, -1, 1, 24 * 365])
def test_a_machine_with_a_wrong_clock_deletes_nothing(kept: Kept, hours: int) -> None:
    """By it all would be old, or nothing that is being backed up young."""
    s3 = TimedS3()
    kept.empty()
    kept.promote()
    kept.use(s3.bucket())
    assert kept.back_up()[1] == 0
    before = dict(s3.objects)

    class Wrong(Bucket):
        def now(self) -> datetime:
            return super().now() + hours * HOUR

    wrong = s3.bucket()
    wrong.__class__ = Wrong
    with pytest.raises(EnvironmentLacks, match="the clock of this machine"):
        expire(services(), BackupPlace(wrong, LIFETIME), yes=True)
    assert s3.objects == before
    assert backed_up(s3.bucket())
    assert len(read_generations(s3.bucket())) == 2
