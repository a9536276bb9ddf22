"""`inv cache.clean`: which layer caches of closed pull requests and of branches go, why others stay, and removal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, Transient
from imageyard.keep.cache_age import written
from imageyard.names import Reference, parse_reference
from imageyard.parallel import each
from imageyard.plan.caches import parse_cache_tag
from imageyard.records import gravest
from imageyard.registry.vendors.table import vendor_of

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.console import Story
    from imageyard.names import Digest
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["CacheCleanRequest", "CacheItem", "clean"]

_WORKERS = 32


@dataclass(frozen=True)
class CacheCleanRequest:
    """What goes: the caches of `pull`, or those older than `age`, but for pull requests that are among `open_pulls`.

    `is_open` is asked of each pull request before a cache of it goes, in case the list missed one.
    """

    pull: int | None = None
    age: timedelta | None = None
    open_pulls: Collection[int] = ()
    is_open: Callable[[int], bool] = lambda number: False


@dataclass(frozen=True)
class CacheItem:
    """A tag of the repository. `goes` is the judgement, `removed` whether it was followed."""

    tag: str
    reason: str
    goes: bool
    digest: Digest | None = None
    removed: bool = False


def clean(
    catalogue: Catalogue,
    services: Services,
    wanted: CacheCleanRequest,
    *,
    yes: bool,
    as_json: bool,
    now: datetime | None = None,
) -> None:
    """Remove with `yes` what goes; without it only say what would.

    Only tags of the catalogue's branch repository of caches are looked at, and of them those of pull requests, and by
    age those of branches: nothing tells that a branch is gone, and what it writes next is a new cache.
    Raises Denied or Transient, before anything is removed, where one of them cannot be read. After the rest is done it
    raises what kept the registry from letting go: EnvironmentLacks where it deletes nothing at all.
    """
    client = services.registry()
    repository = _repository(catalogue)
    if repository is None:
        services.reporter.step("the catalogue names no repository for the caches of branches: nothing to clean")
        if as_json:
            services.reporter.result([])
        return
    try:
        tags = client.tags(repository)
    except errors.NotFound:
        tags = ()
    items = [_judged(wanted, tag) for tag in tags]
    items = _aged(client, repository, wanted, items, now or datetime.now(timezone.utc))
    refused: dict[str, ImageyardError] = {}
    try:
        if any(item.goes for item in items):
            items = _alone(client, repository, items)
            if yes:
                refused = _remove(client, repository, items)
                items = [replace(item, removed=item.goes and item.tag not in refused) for item in items]
    finally:
        if as_json:
            services.reporter.result([asdict(item) for item in items])
        else:
            _tell(services.reporter, repository, items, yes=yes)
    if refused:
        raise _refusal(repository, refused, sum(item.goes for item in items))


def _repository(catalogue: Catalogue) -> Reference | None:
    settings = catalogue.settings.get("cache")
    named = settings.get("branch") if isinstance(settings, Mapping) else None
    return parse_reference(str(named)) if named else None


def _judged(wanted: CacheCleanRequest, tag: str) -> CacheItem:
    """What a tag alone says."""
    parsed = parse_cache_tag(tag)
    if parsed is None:
        return CacheItem(tag, "no cache of ours", False)
    word, _, number = parsed.scope.partition("-")
    if word == "ref" and wanted.pull is None:
        return CacheItem(tag, "of a branch", True)
    if word != "pr":
        return CacheItem(tag, "of no pull request", False)
    if wanted.pull is not None:
        mine = int(number) == wanted.pull
        return CacheItem(tag, f"of pull request {number}" if mine else f"of another pull request, {number}", mine)
    if int(number) in wanted.open_pulls:
        return CacheItem(tag, f"pull request {number} is open", False)
    return CacheItem(tag, f"pull request {number} is closed", True)


def _aged(
    client: Client, repository: Reference, wanted: CacheCleanRequest, items: Sequence[CacheItem], now: datetime
) -> list[CacheItem]:
    """With those that stay because they are too young, of unknown age, or of a pull request that is open after all."""
    if wanted.age is None:
        return list(items)

    times = written(client, repository, [item.tag for item in items if item.goes])
    is_open: dict[str, bool] = {}

    def aged(item: CacheItem) -> CacheItem:
        if not item.goes:
            return item
        if item.tag not in times:
            return replace(item, reason=f"{item.reason}, and nobody knows how old it is", goes=False)
        age = now - times[item.tag]
        if wanted.age is None or age < wanted.age:
            return replace(item, reason=f"{item.reason}, and it is {_days(age)} old", goes=False)
        word, _, number = parse_cache_tag(item.tag).scope.partition("-")  # type: ignore[union-attr]
        if word == "pr" and number not in is_open:
            is_open[number] = wanted.is_open(int(number))
        if is_open.get(number):
            return replace(item, reason=f"pull request {number} is open, though the list lacks it", goes=False)
        return replace(item, reason=f"{item.reason}, and it is {_days(age)} old")

    return [aged(item) for item in items]


def _alone(client: Client, repository: Reference, items: Sequence[CacheItem]) -> list[CacheItem]:
    """With those that stay because a tag that stays names the same manifest: most registries delete by digest only.

    Raises what reading a tag raises: where one is not known, it may be any.
    """
    if vendor_of(repository.registry).untags:
        return list(items)

    def digest(item: CacheItem) -> Digest | None:
        return client.digest_of(repository.with_tag(item.tag))  # None: gone since the list was made

    known = [replace(item, digest=found) for item, found in zip(items, each(items, digest, _WORKERS), strict=True)]
    staying = {item.digest: item.tag for item in known if not item.goes and item.digest}
    return [
        replace(item, reason=f"{item.reason}, but {staying[item.digest]} is the same manifest, and stays", goes=False)
        if item.goes and item.digest in staying
        else item
        for item in known
    ]


def _remove(client: Client, repository: Reference, items: Sequence[CacheItem]) -> dict[str, ImageyardError]:
    """Remove what goes; what the registry refused, with the error."""
    going = [item for item in items if item.goes]
    kept = vendor_of(repository.registry).untag(repository, [item.tag for item in going])
    if kept is not None:
        return {tag: EnvironmentLacks(words) for tag, words in kept.items()}
    refused: dict[str, ImageyardError] = {}
    gone: set[Digest | None] = {None}
    for item in going:
        try:
            if item.digest in gone:
                continue
            if client.head(repository.with_tag(item.tag))[0] != item.digest:
                refused[item.tag] = Transient("it was written again meanwhile")
                continue
            client.delete(repository.with_digest(item.digest))
        except errors.NotFound:
            pass
        except (Denied, EnvironmentLacks) as error:  # of the registry as a whole
            return {**refused, **{one.tag: error for one in going if one.digest not in gone}}
        except ImageyardError as error:
            refused[item.tag] = error
            continue
        gone.add(item.digest)
    return refused


def _refusal(repository: Reference, refused: Mapping[str, ImageyardError], going: int) -> ImageyardError:
    """What is raised where something stayed: an error of the worst kind among them."""
    worst = gravest(refused.values())
    kind = EnvironmentLacks if worst is None else type(worst)
    hint = "run it again"
    if kind is EnvironmentLacks:
        hint = vendor_of(repository.registry).deletion_hint
    return kind(
        f"{len(refused)} of {going} caches could not be removed",
        doing=f"cleaning {repository.name}",
        detail=[f"{tag}: {error.headline}" for tag, error in refused.items()],
        hint=hint,
    )


def _days(age: timedelta) -> str:
    return f"{age.days} d" if age.days else f"{age.seconds // 3600} h"


def _tell(reporter: Story, repository: Reference, items: Sequence[CacheItem], *, yes: bool) -> None:
    def fate(item: CacheItem) -> str:
        if not item.goes:
            return "stays"
        return "removed" if item.removed else "refused" if yes else "would go"

    if items:
        reporter.table(("", "cache", "why"), [(fate(item), item.tag, item.reason) for item in items])
    going = sum(item.removed if yes else item.goes for item in items)
    again = "; --yes does it" if going and not yes else ""
    words = "removed" if yes else "would go"
    reporter.step(f"{going} of {len(items)} tags of {repository.name} {words}{again}")
