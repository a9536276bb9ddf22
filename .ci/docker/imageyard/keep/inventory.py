"""Read all manifests of a repository for retention: by its vendor's list, or from its tags on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, NotFound, Transient
from imageyard.keep.retention_facts import Inventory, StoredManifest
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import INDEXES, Index, Manifest
from imageyard.parallel import each
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from imageyard.records import from_json
from imageyard.registry import blobs
from imageyard.registry.referrers import referrers
from imageyard.registry.vendors.base import ListedManifest

if TYPE_CHECKING:
    from imageyard.oci.raw import Raw
    from imageyard.registry.client import Client

__all__ = ["InventoryReader"]

_WORKERS = 16


class InventoryReader:
    """Reads one repository, any number of times; a manifest that was read once is not read again.

    `first_seen` are the times at which manifests were seen for the first time. They stand for the push where the
    registry does not tell it: what was seen then was pushed before. New ones are added; a digest in it is looked for
    also where no tag leads to it.
    """

    def __init__(self, client: Client, repository: Reference, first_seen: dict[str, datetime]) -> None:
        self.client = client
        self.repository = Reference(repository.registry, repository.repository)
        self.first_seen = first_seen
        self.documents: dict[str, Raw | None] = {}
        self.listed: dict[str, ListedManifest] = {}
        self._commits: dict[str, str | None] = {}

    def read(self, now: datetime) -> Inventory:
        """Read the repository as it is now; one that is not there is empty. Raises Denied or Transient."""
        try:
            listed = self.client.listed(self.repository)
            tagged = self._tagged(now) if listed is None else listed
        except NotFound:  # the repository itself
            self.listed = {}
            return Inventory({})
        self.listed = {one.digest: one for one in tagged}
        if listed is None:
            self._walk(now)
        else:
            self.fetch(one.digest for one in listed if _must_be_read(one))
        return Inventory(self._stored())

    def _tagged(self, now: datetime) -> list[ListedManifest]:
        names: dict[Digest, list[str]] = {}
        for tag, digest in self._tags().items():
            names.setdefault(digest, []).append(tag)
        return [
            ListedManifest(digest, tuple(tags), self.first_seen.setdefault(digest, now))
            for digest, tags in names.items()
        ]

    def _tags(self) -> Mapping[str, Digest]:
        """The digests by tag. Raises Transient where the list has a tag, twice, that is not there.

        An image whose tag a wrong list lacks or spells otherwise would seem to have none, and go.
        """
        absent: set[str] = set()
        while True:
            tags = self.client.tags(self.repository)
            digests = each(tags, lambda tag: self.client.digest_of(self.repository.with_tag(tag)), _WORKERS)
            missing = {tag for tag, digest in zip(tags, digests, strict=True) if digest is None}
            if again := sorted(missing & absent):
                raise Transient(
                    f"{self.repository.name} lists the tag {again[0]} and does not have it",
                    doing="reading an inventory",
                    hint="delete that tag, or give it to an image: it stops every deletion here",
                )
            if not missing:
                return {tag: digest for tag, digest in zip(tags, digests, strict=True) if digest is not None}
            absent |= missing

    def _walk(self, now: datetime) -> None:
        """Find what has no tag: what others list, refer to or are referred to by, and what was seen before."""
        todo: set[str] = {*self.listed, *self.first_seen}
        done: set[str] = set()
        while todo:
            self.fetch(todo)
            done |= todo
            there = [digest for digest in todo if self.documents[digest] is not None]
            self._read_records(there)
            for digest in there:
                if digest not in self.listed:
                    self.listed[digest] = ListedManifest(Digest(digest), (), self.first_seen.setdefault(digest, now))
            found: set[str] = set()
            for digest in there:
                one = self._described(digest)
                found |= {*(one.children or ()), *one.subjects, *self._attested(digest)}
            for referring in each(there, self._referring, _WORKERS):
                found |= set(referring)
            todo = found - done

    def _referring(self, digest: str) -> tuple[Digest, ...]:
        subject = self.repository.with_digest(Digest(digest))
        return tuple(entry.digest for entry in referrers(self.client, subject))

    def fetch(self, digests: Iterable[str]) -> None:
        """Read manifests that were not read yet; None for what is not there, and what was not is asked for again."""
        missing = [digest for digest in digests if self.documents.get(digest) is None]

        def get(digest: str) -> Raw | None:
            try:
                return self.client.get(self.repository.with_digest(Digest(digest)))
            except NotFound:
                return None

        self.documents |= zip(missing, each(missing, get, _WORKERS), strict=True)

    def raw(self, digest: str) -> Raw | None:
        """The manifest's own bytes; None where it is not there, or archived."""
        self.fetch([digest])
        return self.documents[digest]

    def _stored(self) -> Mapping[str, StoredManifest]:
        self._read_records(self.listed)
        found = {digest: self._described(digest) for digest in self.listed}
        for digest in list(found):
            for child, subject in self._attested(digest).items():
                if child in found:
                    found[child] = replace(found[child], attests=(*found[child].attests, subject))
        return found

    def _described(self, digest: str) -> StoredManifest:
        listed = self.listed[digest]
        raw = self.documents.get(digest)
        one = StoredManifest(
            digest,
            subject=listed.subject,
            tags=listed.tags,
            pushed=listed.pushed,
            pulled=listed.pulled,
            size=listed.size,
            media_type=listed.media_type,
            archived=listed.archived,
            archived_at=listed.archived_at,
        )
        if raw is None:
            if not _must_be_read(listed):
                return one
            if listed.archived:
                return replace(one, children=None)
            raise NotFound(f"{self.repository.name} lists {digest} and does not have it", doing="reading an inventory")
        document = raw.parsed()
        subject = document.subject.digest if document.subject else listed.subject
        children = tuple(entry.digest for entry in document.manifests) if isinstance(document, Index) else ()
        commit = self._commit(digest, document) if document.artifact_type == ARTIFACT_TYPE else None
        return replace(one, children=children, subject=subject, media_type=raw.media_type, commit=commit)

    def _attested(self, digest: str) -> Mapping[str, str]:
        """What each entry of an index is said to attest."""
        raw = self.documents.get(digest)
        document = raw.parsed() if raw else None
        if not isinstance(document, Index):
            return {}
        return {entry.digest: entry.attests for entry in document.manifests if entry.attests}

    def _read_records(self, digests: Iterable[str]) -> None:
        """Read the records among these, so that nobody reads them one by one; one that was read is not read again."""
        raws = {digest: self.documents.get(digest) for digest in digests if digest not in self._commits}
        documents = [(digest, raw.parsed()) for digest, raw in raws.items() if raw is not None]
        records = [(digest, document) for digest, document in documents if document.artifact_type == ARTIFACT_TYPE]
        each(records, lambda one: self._commit(*one), _WORKERS)

    def _commit(self, digest: str, document: Index | Manifest) -> str | None:
        """The commit of a record; None where the record cannot be read: whoever may write may put artifacts there."""
        if digest not in self._commits:
            commit = None
            if isinstance(document, Manifest) and len(document.layers) == 1:
                try:
                    content = blobs.read(self.client, self.repository, document.layers[0].digest)
                    commit = from_json(content, "the record").commit
                except (ConfigurationError, NotFound, UnicodeDecodeError):
                    pass
            self._commits[digest] = commit
        return self._commits[digest]


def _must_be_read(listed: ListedManifest) -> bool:
    """Whether a vendor's list leaves open what a manifest leads to: an image of one platform leads to nothing."""
    config = listed.artifact_type
    image = "container.image" in config or "image.config" in config
    return not (image and listed.media_type and listed.media_type not in INDEXES)
