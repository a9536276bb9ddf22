"""`inv recover`: bring images back from the bucket, byte for byte, to the registry, to the engine, or to a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.bucket.store import BucketStore
from imageyard.errors import ConfigurationError, ImageyardError, NotFound, PolicyRefused, exit_code
from imageyard.keep.backup import content_tags
from imageyard.keep.backup_copy import companions, copy_whole
from imageyard.keep.backup_index import keys_of, objects, read_generation
from imageyard.keep.recover_engine import recover_to_engine
from imageyard.layout import size
from imageyard.names import Reference
from imageyard.oci.layout import LayoutStore
from imageyard.oci.revocation import give_notice, is_marker_tag, marker_tag
from imageyard.parallel import each
from imageyard.project import publish_policy
from imageyard.records import worst
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.oci.store import Store
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["Recovery", "entries_of_generation", "entries_of_pattern", "recover"]


@dataclass(frozen=True)
class Recovery:
    """How images come back: `to` is registry, engine or layout:PATH; without `yes` nothing is written anywhere."""

    to: str = "registry"
    jobs: int = 8
    yes: bool = False


def entries_of_pattern(project: Project, recipes: Recipes, bucket: Bucket, pattern: str) -> list[TagEntry]:
    """The entries of a pattern's images as this checkout names them, with cosign's tags.

    Raises NotFound where the bucket lacks one of them: part of what was asked for is no recovery.
    """
    store = BucketStore(bucket, publish_policy.repository(project.catalogue, "trusted").name)
    wanted = content_tags(project, recipes, pattern)
    found = {tag: store.entry(tag) for tag in wanted}
    entries = [entry for entry in found.values() if entry is not None]
    if lacking := [tag for tag, entry in found.items() if entry is None]:
        raise NotFound(
            f"{bucket.name} has no backup of {lacking[0]}" + (f", and {len(lacking) - 1} more" if lacking[1:] else ""),
            doing=f"recovering {pattern}",
            detail=lacking,
            hint="inv recover-generation COMMIT    (the images of another commit)",
        )
    return with_companions(bucket, entries)


def entries_of_generation(bucket: Bucket, id: str) -> list[TagEntry]:
    """The entries of a generation, and what was saved of their manifests since: signatures, revocations.

    Raises NotFound with the generations that there are.
    """
    generation = read_generation(bucket, id)
    if generation is None:
        there = [listed.key.rpartition("/")[2].removesuffix(".json") for listed in bucket.list("generations/")]
        raise NotFound(
            f"{bucket.name} has no generation {id}",
            doing="recovering a generation",
            hint=[f"inv recover-generation {one}" for one in there[-10:]] or "inv backup",
        )
    return with_companions(bucket, generation.tags)


def with_companions(bucket: Bucket, entries: Sequence[TagEntry]) -> list[TagEntry]:
    """Entries with what the bucket has now of their manifests under cosign's tags and those of revocations."""
    beside: dict[tuple[str, str], TagEntry] = {}
    for name in dict.fromkeys(entry.repository for entry in entries):
        store = BucketStore(bucket, name)
        manifests = [digest for entry in entries if entry.repository == name for digest in entry.manifests]
        beside |= {(name, tag): store.required(tag) for tag in companions(store.tags(), manifests)}
    return [*beside.values(), *(entry for entry in entries if (entry.repository, entry.tag) not in beside)]


def recover(
    project: Project, services: Services, bucket: Bucket, entries: Sequence[TagEntry], wanted: Recovery
) -> tuple[list[tuple[str, Reference]], int]:
    """Bring each image back, and give it its tag last; returns each by digest, and the exit code of the whole.

    What is there is not sent again; a tag that names another image now is left alone, and refused. One image that
    fails stops no other, but a revocation that fails stops its image. Raises ConfigurationError for a place that is
    none.
    """
    repository = publish_policy.repository(project.catalogue, "trusted")
    if wanted.to == "engine":
        return recover_to_engine(services, bucket, entries, yes=wanted.yes)
    target: Store
    if wanted.to == "registry":
        target = RegistryStore(services.registry(), repository)
    elif wanted.to.startswith("layout:") and wanted.to != "layout:":
        target = LayoutStore(Path(wanted.to.removeprefix("layout:")))
    else:
        raise ConfigurationError(
            f"images cannot be brought back to {wanted.to!r}", hint="use one of: registry, engine, layout:PATH"
        )
    if not wanted.yes:
        _foretell(services, bucket, target, entries)
        return [], 0
    with services.reporter.board(f"recovery from {bucket.name}") as board:

        def bring(entry: TagEntry) -> ImageyardError | None:
            board.log(f"{entry.tag}: {entry.digest}, {size(entry.size)}")
            try:
                _bring(bucket, target, entry)
            except ImageyardError as error:
                return error
            return None

        came = _bring_all(target, entries, bring, wanted.jobs)
    for _, error in came:
        if error is not None:
            services.reporter.error(error)
    rows = [
        ("failed" if error else "recovered", one.tag, one.digest, error.headline if error else target.name)
        for one, error in came
    ]
    services.reporter.table(("", "tag", "digest", "where"), rows, cut=("where",))
    done = [(one.tag, repository.with_digest(one.digest)) for one, error in came if not error]
    return done, worst(exit_code(error) for _, error in came if error)


def _bring_all(
    target: Store,
    entries: Sequence[TagEntry],
    bring: Callable[[TagEntry], ImageyardError | None],
    jobs: int,
) -> list[tuple[TagEntry, ImageyardError | None]]:
    """Bring what says that images are revoked, then all else; returns each entry with its error.

    An image whose revocation did not come back does not come back either: without it anybody would use the image.
    """
    markers = [entry for entry in entries if is_marker_tag(entry.tag)]
    came = _bring_markers(target, markers, bring, jobs)
    unmarked = {entry.tag for entry, error in came if error is not None and not _has(target, entry.tag)}

    def bring_marked(entry: TagEntry) -> ImageyardError | None:
        if lacking := unmarked.intersection(map(marker_tag, entry.manifests)):
            return PolicyRefused(
                f"{entry.tag} is revoked, and its revocation did not come back",
                doing="recovering it",
                detail=sorted(lacking),
                hint="run it again: what is there is not sent again",
            )
        return bring(entry)

    for wave in _waves([entry for entry in entries if not is_marker_tag(entry.tag)]):
        came += zip(wave, each(wave, bring_marked, jobs), strict=True)
    return came


def _bring_markers(
    target: Store, markers: Sequence[TagEntry], bring: Callable[[TagEntry], ImageyardError | None], jobs: int
) -> list[tuple[TagEntry, ImageyardError | None]]:
    """Bring the markers of revocations, after the notice that there are some, which nobody else puts meanwhile."""
    if not markers:
        return []
    try:
        give_notice(target)
    except ImageyardError as error:
        return [(entry, error) for entry in markers]
    waves = _waves(markers)
    return [one for wave in waves for one in zip(wave, each(wave, bring, jobs), strict=True)]


def _has(target: Store, tag: str) -> bool:
    """Whether a place has a tag, of whatever it is; a place that does not answer does not."""
    try:
        return target.digest_of(tag) is not None
    except ImageyardError:
        return False


def _waves(entries: Sequence[TagEntry]) -> list[list[TagEntry]]:
    """The entries in waves, in none of which two bring the same manifest: rows come before the image over them.

    A registry that keeps files may truncate a manifest that is put twice at once while somebody else reads it
    (distribution 2.8, `storage/driver/filesystem`, PutContent).
    """
    waves: list[list[TagEntry]] = []
    left = list(entries)
    while left:
        wave: list[TagEntry] = []
        taken: set[str] = set()
        for entry in sorted(left, key=lambda one: len(one.manifests)):
            if taken.isdisjoint(entry.manifests):
                wave.append(entry)
                taken.update(entry.manifests)
        left = [entry for entry in left if entry not in wave]
        waves.append(wave)
    return waves


def _bring(bucket: Bucket, target: Store, entry: TagEntry) -> None:
    source = BucketStore(bucket, entry.repository)
    held = target.digest_of(entry.tag)
    if held not in (None, entry.digest):
        raise PolicyRefused(
            f"{target.name}:{entry.tag} names another image now",
            doing="recovering it",
            detail=(f"there:  {held}", f"backup: {entry.digest}"),
            hint="a tag is never moved by a recovery: delete it first, or recover to layout:PATH",
        )
    raw = copy_whole(source, target, entry.digest)
    if held is None:
        target.put_manifest(raw, entry.tag)
    if target.digest_of(entry.tag) != entry.digest:
        raise PolicyRefused(f"{target.name}:{entry.tag} is not {entry.digest} after all", doing="recovering it")


def _foretell(services: Services, bucket: Bucket, target: Store, entries: Sequence[TagEntry]) -> None:
    keys = {listed.key for listed in objects(bucket)}
    rows = []
    for entry in entries:
        lacking = keys_of(entry) - keys
        held = target.digest_of(entry.tag)
        fate = "is there" if held == entry.digest else "refused" if held else "lost" if lacking else "comes back"
        why = f"{len(lacking)} of its objects are missing in the backup" if lacking else size(entry.size)
        rows.append((fate, entry.tag, entry.digest, f"{why}, backed up {entry.saved}"))
    services.reporter.table(("", "tag", "digest", "what"), rows, cut=("what",))
    coming = sum(row[0] == "comes back" for row in rows)
    again = "; --yes does it" if coming else ""
    services.reporter.step(f"{coming} of {len(rows)} tags would come back from {bucket.name} to {target.name}{again}")
