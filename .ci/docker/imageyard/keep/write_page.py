"""`inv page`: read the catalogue's repositories and what is beside their images, and write the page of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, NotFound, Transient
from imageyard.keep.backup_index import backed_up, read_entries
from imageyard.keep.backup_place import backup_place
from imageyard.keep.image_details import DetailReader
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.judgement import Judgement
from imageyard.keep.kept_commits import read_kept_commits
from imageyard.keep.page import page_of, plain
from imageyard.keep.page_facts import BackupFacts, ShownRepository
from imageyard.keep.page_html import html
from imageyard.keep.recorded_bases import recorded_bases
from imageyard.keep.retain import repositories
from imageyard.keep.retain_state import RepositoryState
from imageyard.keep.retention_facts import Claims, subject_of_tag
from imageyard.keep.retention_plan import HandsOff
from imageyard.keep.retention_policy import policy_of
from imageyard.keep.static_site import site_of, write_files
from imageyard.names import Digest
from imageyard.oci.manifests import is_digest
from imageyard.oci.revocation import revocations
from imageyard.project.page_files import DATA, HTML
from imageyard.records import gravest
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from imageyard.keep.kept_commits import KeptCommits
    from imageyard.keep.retention_facts import RepositoryKind, StoredManifest
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.run.services import Services

__all__ = ["write_page"]


def write_page(project: Project, services: Services, to: str | None = None, now: datetime | None = None) -> str:
    """Write the page to `to`, else to the place of the catalogue; returns the name of the place.

    Nothing else is written. What cannot be read is told on the page, the rest is there, and at the end the gravest
    error is raised. A place that cannot be is refused first: ConfigurationError or EnvironmentLacks.
    """
    began = now or datetime.now(timezone.utc)
    site = site_of(to, project.catalogue, services)
    errors: list[ImageyardError] = []
    troubles: list[str] = []
    kept = _kept(project, services, began, errors, troubles)
    saved, backups = _backups(project, services, errors, troubles)
    shown = [
        _RepositoryReader(project, services, kept, saved, reference, kind, began, errors).read()
        for reference, kind in repositories(project.catalogue)
        if kind != "cache"
    ]
    shown = _with_bases(project, shown)
    page = page_of(_title(project, shown), shown, backups, began, troubles)
    data = json.dumps(plain(page), separators=(",", ":")).encode() + b"\n"
    write_files(site, {DATA: data, HTML: html(page)})
    services.reporter.step(f"{len(page.images)} images of {len(shown)} repositories: {site.name}")
    if worst := gravest(errors):
        raise worst
    return site.name


def _title(project: Project, shown: Sequence[ShownRepository]) -> str:
    return f"Images of {shown[0].name}" if shown else f"Images of {project.catalogue.file}"


def _kept(
    project: Project, services: Services, now: datetime, errors: list[ImageyardError], troubles: list[str]
) -> KeptCommits | None:
    """What git says; None where it does not know, which is told: then nobody knows what retention would do."""
    try:
        return read_kept_commits(project, services.reporter, now)
    except EnvironmentLacks as error:
        errors.append(error)
        troubles.append(f"for how long images stay is not known: {error.headline}")
        return None


def _backups(
    project: Project, services: Services, errors: list[ImageyardError], troubles: list[str]
) -> tuple[frozenset[Digest] | None, BackupFacts]:
    """The digests that a backup has whole, for retention and for the page; a catalogue need not have a bucket."""
    if "backup" not in project.catalogue.settings:
        return None, BackupFacts()
    try:
        bucket = backup_place(project.catalogue, services).bucket
        entries = read_entries(bucket)
        whole = backed_up(bucket, tags=entries)
    except (Denied, NotFound, Transient) as error:
        errors.append(error)
        troubles.append(f"which images have a backup is not known: {error.headline}")
        return frozenset(), BackupFacts("unread")
    times: dict[str, str] = dict.fromkeys(whole, "")
    for entry in entries:
        for digest in entry.manifests:
            if digest in whole:
                times[digest] = max(times[digest], entry.saved)
    return whole, BackupFacts("read", times)


def _with_bases(project: Project, shown: Sequence[ShownRepository]) -> list[ShownRepository]:
    """The repositories with the bases of their images, as far as this clone has the commits."""
    every = [image for one in shown for images in one.platforms.values() for image in images]
    bases = recorded_bases(project, (image.record for image in every if image.record))
    return [
        replace(
            one,
            platforms={
                digest: tuple(
                    replace(image, bases=bases.get(image.record.recipe))
                    if image.record and image.record.recipe
                    else image
                    for image in images
                )
                for digest, images in one.platforms.items()
            },
        )
        for one in shown
    ]


class _RepositoryReader:
    """Reads one repository; an error is told in what it returns, and is among `errors`."""

    def __init__(
        self,
        project: Project,
        services: Services,
        kept: KeptCommits | None,
        saved: frozenset[Digest] | None,
        repository: Reference,
        kind: RepositoryKind,
        now: datetime,
        errors: list[ImageyardError],
    ) -> None:
        self.project = project
        self.services = services
        self.kept = kept
        self.saved = saved
        self.repository = repository
        self.kind: RepositoryKind = kind
        self.now = now
        self.errors = errors
        self.troubles: list[str] = []

    def read(self) -> ShownRepository:
        """What can be said of the repository."""
        catalogue = self.project.catalogue
        policy = policy_of(catalogue, self.kind)
        claims = Claims(frozenset(catalogue.images))
        shown = ShownRepository(self.repository.name, self.kind, policy, claims)
        try:
            if self.kept:
                shown = replace(shown, claims=self.kept.claims_at(self.project, self.repository))
            shown = self._read(shown)
        except ImageyardError as error:
            self._tell(error, "it could not be read")
        return replace(shown, troubles=tuple(self.troubles))

    def _read(self, shown: ShownRepository) -> ShownRepository:
        state = RepositoryState(self.project.state / "retention", self.repository)
        known = frozenset(state.first_seen)
        reader = InventoryReader(self.services.registry(), self.repository, state.first_seen)
        inventory = reader.read(self.now)
        sighted = frozenset(state.first_seen) - known
        shown = replace(shown, manifests=inventory.manifests, sighted=sighted)
        by_content = self.project.catalogue.tag == "content"
        if self.kept:
            judgement = Judgement(shown.claims, shown.policy, self.kind, self.saved, by_content, state.last)
            try:
                plan = judgement.plan(inventory, reader, self.now)
                shown = replace(shown, claims=judgement.claims, plan=plan)
                if plan.hands_off is HandsOff.CLOCK:
                    raise EnvironmentLacks(f"the clock runs backwards: {plan.about}", doing=self._doing)
            except ImageyardError as error:
                self._tell(error, "for how long its images stay is not known")
        tagged = [digest for digest, one in inventory.manifests.items() if one.tags]
        details = DetailReader(reader, inventory).read(tagged)
        if details.error is not None:
            self._tell(details.error, "what its images are made of is not known of all")
        if details.unread:
            words = f"{details.unread} record{'' if details.unread == 1 else 's'} beside its images could not be read"
            self.services.reporter.warn(f"{self.repository.name}: {words}")
            self.troubles.append(words)
        return replace(
            shown, platforms=details.platforms, signed=details.signed, revoked=self._revoked(inventory.manifests)
        )

    def _revoked(self, manifests: Mapping[str, StoredManifest]) -> Mapping[str, str]:
        """The reason for which a manifest is revoked, of those that have a tag."""
        store = RegistryStore(self.services.registry(), self.repository)
        named = {
            digest: tags
            for digest, one in manifests.items()
            if is_digest(digest) and (tags := [tag for tag in one.tags if subject_of_tag(tag) is None])
        }
        known = [tag for tags in named.values() for tag in tags]
        try:
            found = revocations(store, [Digest(digest) for digest in named], known)
            return {digest: one.reason or "nobody said why" for digest, one in found.items()}
        except (Denied, Transient) as error:
            self._tell(error, "which of its images are revoked is not known")
            return {}

    def _tell(self, error: ImageyardError, what: str) -> None:
        self.errors.append(error)
        self.troubles.append(f"{what}: {error.headline}")

    @property
    def _doing(self) -> str:
        return f"making the page of {self.repository.name}"
