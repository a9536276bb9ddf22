"""Parents for a build of several architectures: one reference that leads to the right one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.names import Reference, parse_reference, platform_of
from imageyard.oci.indexes import joined
from imageyard.oci.manifests import Index
from imageyard.project.tags import index_tag
from imageyard.publishing.destination import Destination, parents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.oci.raw import Raw
    from imageyard.publishing.destination import ParentOf
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["one_for_all"]


def one_for_all(
    catalogue: Catalogue, services: Services, destination: Destination, jobs: Sequence[Job]
) -> ParentOf | None:
    """Where the parents of rows of one image are, by digest; None where no one reference leads to all of them.

    Of several architectures it is an index: put by digest beside the rows where this run may write, else the one that
    was promoted from them.
    """
    if len(jobs) == 1:
        return parents(jobs[0], destination)
    names = dict.fromkeys(parent.name for job in jobs for parent in _parents(job))
    found: dict[str, Reference] = {}
    for name in names:
        rows = {platform_of(job.row.arch): _published(destination, job, name) for job in jobs}
        index = _index(catalogue, services, destination, rows, jobs[0], name)
        if index is None:
            return None
        found[name] = index
    return lambda parent: str(found[parent.name])


def _parents(job: Job) -> tuple[Row, ...]:
    return job.recipes.parent_rows(job.row)


def _published(destination: Destination, job: Job, name: str) -> str:
    parent = next(parent for parent in _parents(job) if parent.name == name)
    return parents(job, destination)(parent)


def _index(
    catalogue: Catalogue, services: Services, destination: Destination, rows: Mapping[str, str], job: Job, name: str
) -> Reference | None:

    client = services.registry()
    places = {platform: parse_reference(text) for platform, text in rows.items()}
    repositories = {(place.registry, place.repository) for place in places.values()}
    if len(repositories) > 1:
        return None
    repository = Reference(*repositories.pop())
    parts = {platform: client.get(place) for platform, place in places.items()}
    if repository.name == destination.repository.name:
        made = joined(parts)
        return repository.with_digest(client.put(repository.with_digest(made.digest), made.body, made.media_type))
    image = catalogue.images[name]
    promoted = repository.with_tag(index_tag(job.recipes, image, job.options.decision))
    try:
        there = client.get(promoted)
    except errors.NotFound:
        return None
    return repository.with_digest(there.digest) if _images(there) >= _images(joined(parts)) else None


def _images(raw: Raw) -> frozenset[str]:
    """The digests of the images in an index."""
    root = raw.parsed()
    assert isinstance(root, Index)
    return frozenset(entry.digest for entry in root.manifests if entry.attests is None)
