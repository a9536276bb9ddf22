"""`inv revoke`: mark an image so that nobody starts from it, wherever the catalogue's images are, or take that back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.layout import one_line
from imageyard.names import Digest, Reference, parse_reference, parse_tag, weekly_image
from imageyard.oci.manifests import Index, Manifest
from imageyard.oci.revocation import Revocation, mark, marker_tag, revocation_of, revocations
from imageyard.parallel import each
from imageyard.project import publish_policy
from imageyard.records import gravest
from imageyard.registry.store import RegistryStore
from imageyard.registry.vendors.table import vendor_of
from imageyard.runs import now

if TYPE_CHECKING:
    from imageyard.catalogue.model import Image
    from imageyard.oci.raw import Raw
    from imageyard.oci.store import ReadableStore
    from imageyard.plan.decision import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["RevokeRequest", "family", "revoke"]

_REASON_LIMIT = 500
_WORKERS = 16


@dataclass(frozen=True)
class RevokeRequest:
    """What is asked of a call: `undo` takes a revocation back; without `yes` nothing is written."""

    tag: str
    reason: str = ""
    undo: bool = False
    yes: bool = False


@dataclass(frozen=True)
class _Marker:
    """A manifest whose marker is to be written, and under which tag a person knows it."""

    store: RegistryStore
    digest: Digest
    known_as: str
    held: Revocation | None

    @property
    def reference(self) -> Reference:
        return self.store.repository.with_digest(self.digest)


def revoke(
    project: Project, recipes: Recipes, services: Services, decision: Decision, request: RevokeRequest
) -> tuple[list[tuple[str, Reference]], ImageyardError | None]:
    """Mark the image of a tag, its rows and the indexes that list them, in each repository of the catalogue.

    Returns what was marked, and the gravest error: a repository that refuses us stops no other. Raises
    ConfigurationError without a reason, PolicyRefused for a run in CI that may not write the trusted repository,
    NotFound where no repository has the tag.
    """
    reason = one_line(request.reason, _REASON_LIMIT)
    if not reason and not request.undo:
        raise ConfigurationError(
            "a revocation needs a reason: it is what people read who cannot use the image any more",
            hint=f"inv revoke {request.tag} --reason 'what is wrong with it'",
        )
    if not decision.may_publish_to("trusted"):
        raise PolicyRefused(
            f"this run revokes nothing: {decision.reason}", doing="revoking an image", hint="inv ci.decide    (why)"
        )
    repositories = _repositories(project)
    tags: Collection[str] = ()
    with suppress(ImageyardError):  # a recipe that is refused is no reason to leave an image usable
        tags = _tags_now(project, recipes, request.tag)
    failed: list[ImageyardError] = []
    markers: list[_Marker] = []
    for repository in repositories:
        try:
            markers += _markers(RegistryStore(services.registry(), repository), request, tags)
        except ImageyardError as error:
            failed.append(error)
            services.reporter.error(error)
    if not markers and not failed:
        names = " nor ".join(one.name for one in repositories)
        raise NotFound(
            f"{request.tag} is not at {names}", doing="revoking it", hint="inv tag IMAGE    (the tag that it has now)"
        )
    pending = [one for one in markers if _changes(one, request, reason)]
    done = _write(services, pending, request, reason, failed) if request.yes else []
    _tell(services, markers, pending, {reference for _, reference in done}, request)
    _tell_next(project, recipes, services, markers, request)
    return done, gravest(failed)


def family(store: ReadableStore, tag: str, also: Collection[str] = (), *, undo: bool = False) -> dict[Digest, str]:
    """The manifests that a revocation of a tag is about, each with the tag or the words by which people know it.

    They are what the tag names, the images in it, and what other tags of the same image name that has one of these
    images in it. `also` are tags that are looked at whatever the list of tags says. With `undo` an index stays out that
    has another revoked image in it. Empty where there is no such tag. Raises Transient where the list of tags was cut.
    """
    raw = store.manifest(tag)
    if raw is None:
        return {}
    images = frozenset(_images(store, raw))
    found = {raw.digest: tag}
    name = _image_of(tag)
    listed = tuple(store.tags()) if name else ()
    if name and tag not in listed:
        raise Transient(
            f"{store.name} cut its list of tags: {tag} is there and not in it", doing="revoking it", hint="run it again"
        )
    others = [other for other in dict.fromkeys((*listed, *also)) if name and other != tag and _image_of(other) == name]
    for other, named in zip(others, each(others, store.manifest, _WORKERS), strict=True):
        held = frozenset(_images(store, named)) if named else frozenset()
        if named and held & images and not (undo and revocations(store, held - images)):
            found.setdefault(named.digest, other)
    for digest in images:
        found.setdefault(digest, f"in {tag}")
    return found


def _images(store: ReadableStore, raw: Raw) -> Iterator[Digest]:
    """The images below a manifest, itself where it is one; what attests an image is none."""
    document = raw.parsed()
    if isinstance(document, Manifest):
        yield raw.digest
        return
    for entry in document.manifests:
        if entry.is_index:
            below = store.manifest(entry.digest)
            if below is not None and isinstance(below.parsed(), Index):
                yield from _images(store, below)
        elif entry.attests is None:
            yield entry.digest


def _image_of(tag: str) -> str | None:
    parsed = parse_tag(tag)
    return parsed.image if parsed else weekly_image(tag)


def _repositories(project: Project) -> tuple[Reference, ...]:
    own = (publish_policy.repository(project.catalogue, at) for at in ("trusted", "branch"))
    return tuple(dict.fromkeys((*own, *map(parse_reference, project.catalogue.mirrors))))


def _markers(store: RegistryStore, request: RevokeRequest, also: Collection[str]) -> list[_Marker]:
    known = family(store, request.tag, also, undo=request.undo)
    held = each(list(known), lambda digest: revocation_of(store, digest), _WORKERS)
    return [_Marker(store, *one, told) for one, told in zip(known.items(), held, strict=True)]


def _changes(one: _Marker, request: RevokeRequest, reason: str) -> bool:
    """Whether a marker is to be written: one that says the same already is left alone."""
    if request.undo:
        return one.held is not None
    return one.held is None or one.held.reason != reason


def _write(
    services: Services, markers: Sequence[_Marker], request: RevokeRequest, reason: str, failed: list[ImageyardError]
) -> list[tuple[str, Reference]]:
    """Write markers, each read back; a repository that fails is left, and its error joins `failed`."""
    done: list[tuple[str, Reference]] = []
    lost: set[str] = set()
    for one in markers:
        if one.store.name in lost:
            continue
        try:
            if one.held is not None:
                vendor_of(one.store.repository.registry).refuse_immutable(
                    one.store.repository.with_tag(marker_tag(one.digest))
                )
            mark(one.store, Revocation(one.digest, reason, now(), undone=request.undo))
        except ImageyardError as error:
            failed.append(error)
            lost.add(one.store.name)
            services.reporter.error(error)
        else:
            done.append((one.known_as.removeprefix("in "), one.reference))
    return done


def _tell(
    services: Services,
    markers: Sequence[_Marker],
    pending: Sequence[_Marker],
    written: Collection[Reference],
    request: RevokeRequest,
) -> None:
    verb = "taken back" if request.undo else "revoked"

    def fate(one: _Marker) -> str:
        if one not in pending:
            return "not revoked" if request.undo else "revoked before"
        if not request.yes:
            return f"would be {verb}"
        return verb if one.reference in written else "failed"

    rows = [
        (fate(one), one.store.name, one.known_as, one.digest, one.held.reason if one.held else "") for one in markers
    ]
    services.reporter.table(("", "repository", "what", "digest", "revoked for"), rows, cut=("revoked for",))
    if pending and not request.yes:
        services.reporter.step("nothing was written: --yes does it")


def _tell_next(
    project: Project, recipes: Recipes, services: Services, markers: Sequence[_Marker], request: RevokeRequest
) -> None:
    """Tell what to type next: which image has to get another tag, what is built on it, which floating tags name it."""
    say = services.reporter.step
    if "backup" in project.catalogue.settings and request.yes:
        say("the backup knows of it from the next one on, which each night makes: inv backup")
    if request.undo:
        return
    images = _named_now(project, recipes, request.tag)
    if not images:
        say(f"no image of this checkout has the tag {request.tag} now: there is no epoch to raise here")
    for image in images:
        say(f"next: raise `epoch` of {image.name} at {image.where}, or move its base: inv lock --refresh")
        if children := _built_on(project, recipes, image.name):
            say(f"built on {image.name}: {', '.join(children)}; they get new tags with it, and are built anew")
            say("those that are published stay usable until they are revoked too: inv tag IMAGE, inv revoke TAG")
        say(f"then: inv plan '{image.name}' --at trusted")
    name = _image_of(request.tag)
    held = {one.reference for one in markers}
    for store in dict.fromkeys(one.store for one in markers) if name else ():
        with suppress(ImageyardError):  # the images are revoked by now, and this is only said
            digest = store.digest_of(name or "")
            if digest and store.repository.with_digest(digest) in held:
                say(f"{store.name}:{name} names it until the next image is mirrored: inv mirror {name}")


def _named_now(project: Project, recipes: Recipes, tag: str) -> list[Image]:
    """The images of the catalogue that have a tag now, as a whole or in a row."""
    image = project.catalogue.images.get(_image_of(tag) or "")
    return [image] if image and tag in _tags_now(project, recipes, tag) else []


def _tags_now(project: Project, recipes: Recipes, tag: str) -> frozenset[str]:
    """The tags that the image of a tag has now, as a whole and in its rows; none where the catalogue has no such."""
    image = project.catalogue.images.get(_image_of(tag) or "")
    if image is None:
        return frozenset()
    rows = (row for row in project.catalogue.rows if row.name == image.name)
    return frozenset((recipes.index_tag(image), *map(recipes.tag, rows)))


def _built_on(project: Project, recipes: Recipes, name: str) -> list[str]:
    """The images whose rows start from a row of an image, however far above."""
    under = {name}
    found: dict[str, None] = {}
    rows = list(project.catalogue.rows)
    while True:
        new = [
            row.name
            for row in rows
            if row.name not in under and any(parent.name in under for parent in recipes.parent_rows(row))
        ]
        if not new:
            return list(found)
        under.update(new)
        found |= dict.fromkeys(new)
