"""Bring promoted images from the trusted repository to the catalogue's mirrors, and let their floating tags follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.errors import ConfigurationError, Denied, ImageyardError, PolicyRefused, RevokedImage
from imageyard.http.failures import NoAnswer
from imageyard.names import Reference, parse_reference, platform_of
from imageyard.plan.trust import LOCAL, Decision
from imageyard.project import publish_policy
from imageyard.publishing.floating_tag import Branch
from imageyard.publishing.image_record import ImageRecord
from imageyard.publishing.publish import lock_of
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from imageyard.publishing.verify_published import prove, remedies
from imageyard.records import gravest
from imageyard.registry.copying import copy, copy_referrers
from imageyard.registry.tagging import give
from imageyard.registry.vendors.table import vendor_of
from imageyard.run.leftovers import finish

if TYPE_CHECKING:
    from imageyard.oci.raw import Raw
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["MirrorRequest", "mirror"]


@dataclass(frozen=True)
class MirrorRequest:
    """What is asked of a call: `floating` moves `IMAGE` too, `force` moves content tags that name another image."""

    pattern: str
    floating: bool = True
    force: bool = False
    branch: str | None = None
    decision: Decision = LOCAL


@dataclass(frozen=True)
class _Part:
    """What one content tag names in the trusted repository, read and proven there; `wanted`: inputs by platform."""

    tag: str
    raw: Raw
    wanted: Mapping[str, str]


@dataclass(frozen=True)
class _Brought:
    """What was done for an image at one mirror: whether anything was copied, and all of it in words."""

    copied: bool
    words: tuple[str, ...]


def mirror(
    project: Project, recipes: Recipes, services: Services, wanted: MirrorRequest
) -> tuple[list[tuple[str, Reference]], int]:
    """Copy the images of a pattern to every mirror; returns each copy by digest, and the exit code of the whole.

    One mirror, or one image, that fails stops no other; a mirror that refused us or was silent is not asked again.
    Raises PolicyRefused where a run in CI must not mirror, ConfigurationError where there is no mirror.
    """
    decision = wanted.decision
    if not decision.may_mirror:
        raise PolicyRefused(
            f"this run does not mirror: {decision.reason}", doing="mirroring", hint="inv ci.decide    (why)"
        )
    mirrors = [parse_reference(one) for one in project.catalogue.mirrors]
    if not mirrors:
        raise ConfigurationError(
            "the catalogue names no mirror", at=project.catalogue.file, hint="add to it: mirrors: [HOST/REPOSITORY]"
        )
    for said in filter(None, map(services.registry().open_to, mirrors)):
        services.reporter.warn(said)
    names = list(dict.fromkeys(row.name for row in project.rows(wanted.pattern)))
    flow = _Flow(project, recipes, services, wanted, mirrors)
    done: list[tuple[str, Reference]] = []
    try:
        for name in names:
            done += flow.image(name)
    finally:
        code = finish(project, services)
    return done, code


class _Flow:
    """One call; `silent`: mirrors that need not be asked again, and why."""

    def __init__(
        self,
        project: Project,
        recipes: Recipes,
        services: Services,
        wanted: MirrorRequest,
        mirrors: Sequence[Reference],
    ) -> None:
        self.project = project
        self.recipes = recipes
        self.services = services
        self.wanted = wanted
        self.mirrors = mirrors
        self.client = services.registry()
        self.source = publish_policy.repository(project.catalogue, "trusted")
        self.branch = Branch(project, services.provider, wanted.branch)
        self.silent: dict[Reference, ImageyardError] = {}
        self.told: list[ImageyardError] = []

    def image(self, name: str) -> list[tuple[str, Reference]]:
        """Bring one image to every mirror, and record how that went."""
        record = ImageRecord(self.services, name, forced=self.wanted.force)
        done: list[tuple[str, Reference]] = []
        failed: list[ImageyardError] = []
        said: list[str] = []
        copied = False
        try:
            parts = self._parts(name)
        except ImageyardError as error:
            parts = []
            failed.append(error)
            self.services.reporter.error(error)
        for mirror in self.mirrors if parts else ():
            try:
                brought = self._bring(name, parts, mirror)
                copied = copied or brought.copied
                said += [f"{words} at {mirror.name}" for words in brought.words]
                done.append((name, mirror.with_digest(parts[-1].raw.digest)))
            except ImageyardError as error:
                failed.append(error)
                self._tell(name, mirror, error)
        named = {"tag": parts[-1].tag, "digest": parts[-1].raw.digest} if parts else {}
        record.end(gravest(failed), "published" if copied else "skipped", why="; ".join(said), **named)
        return done

    def _tell(self, name: str, mirror: Reference, error: ImageyardError) -> None:
        """Tell what went wrong, at length the first time."""
        if error in self.told:
            self.services.reporter.step(f"{name}: {mirror.name} is not asked again: {error.headline}")
            return
        self.told.append(error)
        self.services.reporter.error(error)

    def _parts(self, name: str) -> list[_Part]:
        """The image's rows, and last the image, as the trusted repository has them; of one row they are the same.

        A mirror answers for a row as the trusted repository does, and the records are beside the rows.
        """
        recipes, image = self.recipes, self.project.catalogue.images[name]
        rows = [row for row in self.project.catalogue.rows if row.name == name]
        for row in rows:
            publish_policy.refuse(self.recipes, row)
        inputs = {platform_of(row.arch): recipes.of(row).inputs for row in rows}
        tags = {recipes.tag(row): {platform_of(row.arch): inputs[platform_of(row.arch)]} for row in rows}
        tags[recipes.index_tag(image)] = inputs
        parts = []
        for tag, meant in tags.items():
            try:
                parts.append(_Part(tag, prove(self.client, self.source.with_tag(tag), meant).raw, meant))
            except errors.NotFound as absent:
                raise errors.NotFound(
                    absent.headline, doing=f"mirroring {name}, which is not promoted", hint=f"inv promote {name}"
                ) from None
            except RevokedImage as refused:
                raise RevokedImage(refused.headline, doing=f"mirroring {name}", hint=remedies(tag, image)) from None
        return parts

    def _bring(self, name: str, parts: Sequence[_Part], mirror: Reference) -> _Brought:
        """One image at one mirror: its content tags, and the floating one last."""
        if mirror in self.silent:
            raise self.silent[mirror]
        try:
            copied = [self._content(part, mirror) for part in parts]
            words = ["copied" if any(copied) else "there"]
            if self.wanted.floating:
                words += self._floating(name, parts[-1], mirror)
        except (Denied, NoAnswer) as error:
            if error.registry == mirror.registry:  # and not the trusted repository
                self.silent[mirror] = error
            raise
        self.services.reporter.step(f"{name}: {', '.join(words)}: {mirror.with_tag(parts[-1].tag)}")
        return _Brought(any(copied), tuple(words))

    def _content(self, part: _Part, mirror: Reference) -> bool:
        """Bring what a content tag names, by digest, its records beside it, proven, and then the tag.

        Returns whether anything was brought; what is there is proven and left alone.
        """
        client, target, there = self.client, mirror.with_tag(part.tag), mirror.with_digest(part.raw.digest)
        source = self.source.with_digest(part.raw.digest)
        with lock_of(self.services.reporter, target):
            held = client.digest_of(target, "pull", "push")
            if held not in (None, part.raw.digest):
                if not self.wanted.force:
                    raise _other(target, str(held), part)
                vendor_of(target.registry).refuse_immutable(target)
            if held == part.raw.digest and self._is_whole(target, there, part):
                copy_referrers(client, source, mirror, ARTIFACT_TYPE)
                return False
            copy(client, source, mirror)
            copy_referrers(client, source, mirror, ARTIFACT_TYPE)
            prove(client, there, part.wanted)
            if held == part.raw.digest:
                return True
            given = give(client, target, part.raw, force=self.wanted.force)
        if given.digest != part.raw.digest:
            raise _other(target, given.digest, part)
        return True

    def _is_whole(self, target: Reference, there: Reference, part: _Part) -> bool:
        """Whether what is there is there with all its parts: some clean a registry of what has no tag of its own."""
        try:
            prove(self.client, there, part.wanted)
        except RevokedImage:
            raise
        except PolicyRefused as lost:
            self.services.reporter.step(f"{target} lost a part, and is brought again ({lost.headline})")
            return False
        return True

    def _floating(self, name: str, whole: _Part, mirror: Reference) -> list[str]:
        """Let `IMAGE` name the image where it names something else, and nobody knows of a newer one."""
        target = mirror.with_tag(name)
        with lock_of(self.services.reporter, target):
            if self.client.digest_of(target, "pull", "push") == whole.raw.digest:
                return []
            if why := self.branch.why_not(name, whole.tag):
                self.services.reporter.step(f"{name}: {target} is left alone: {why}")
                return [f"floating tag left alone ({why})"]
            try:
                given = give(self.client, target, whole.raw, force=True)
            except PolicyRefused as refused:
                raise PolicyRefused(
                    refused.headline,
                    doing=f"letting {target} name {whole.tag}",
                    hint="a floating tag has to move: exempt it from the mirror's immutability, or say --no-floating",
                ) from None
        return ["floating tag moved" if given.digest == whole.raw.digest else "floating tag moved on by another run"]


def _other(target: Reference, held: str, part: _Part) -> PolicyRefused:
    return PolicyRefused(
        f"{target} holds another image than the trusted repository",
        doing="mirroring",
        detail=(f"there:   {held}", f"trusted: {part.raw.digest}"),
        hint="a content tag is never moved by itself: find out who wrote it; --force moves it",
    )
