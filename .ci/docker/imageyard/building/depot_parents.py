"""Parents for a build of several architectures: one reference that leads to the right one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.errors import NotFound
from imageyard.names import Reference, parse_reference, platform_of
from imageyard.oci.indexes import joined
from imageyard.oci.manifests import Index
from imageyard.project.tags import index_tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imageyard.building.builder import RowBuild
    from imageyard.oci.raw import Raw
    from imageyard.project.options import BuildOptions
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client

__all__ = ["one_for_all"]


def one_for_all(
    recipes: Recipes, options: BuildOptions, client: Client, repository: Reference, rows: Sequence[RowBuild]
) -> Mapping[str, str] | None:
    """Return the reference of each parent, by digest; None where no one reference leads to those of all rows.

    It names an index: put by digest into `repository`, which this run writes, where the rows' own parents are there,
    else the one that was promoted from them.
    """
    indexes: dict[str, str] = {}
    for name in dict.fromkeys(name for row in rows for name in row.parents):
        parts = {platform_of(row.facts.row.arch): parse_reference(row.parents[name]) for row in rows}
        index = _index(recipes, options, client, repository, parts, name)
        if index is None:
            return None
        indexes[name] = str(index)
    return indexes


def _index(
    recipes: Recipes,
    options: BuildOptions,
    client: Client,
    repository: Reference,
    rows: Mapping[str, Reference],
    name: str,
) -> Reference | None:
    """Return the index of a parent; `rows` are its images by platform."""
    places = {(row.registry, row.repository) for row in rows.values()}
    if len(places) > 1:
        return None
    place = Reference(*places.pop())
    whole = joined({platform: client.get(row) for platform, row in rows.items()})
    if place.name == repository.name:
        return place.with_digest(client.put(place.with_digest(whole.digest), whole.body, whole.media_type))
    promoted = place.with_tag(index_tag(recipes, recipes.catalogue.images[name], options.decision))
    try:
        index = client.get(promoted)
    except NotFound:
        return None
    return place.with_digest(index.digest) if _images(index) >= _images(whole) else None


def _images(raw: Raw) -> frozenset[str]:
    """The digests of the images in an index."""
    root = raw.parsed()
    assert isinstance(root, Index)
    return frozenset(entry.digest for entry in root.manifests if entry.attests is None)
