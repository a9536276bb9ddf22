"""Publish an image: one tag over the rows that are published, made from their digests, and read back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard import errors, process
from imageyard.builders import buildx
from imageyard.errors import EnvironmentLacks, PolicyRefused, RevokedImage
from imageyard.names import Reference, platform_of
from imageyard.oci.manifests import Manifest, digest_of, parse
from imageyard.oci.raw import Raw
from imageyard.plan.trust import LOCAL, Decision
from imageyard.project import publish_policy
from imageyard.project.options import BuildOptions
from imageyard.project.tags import index_tag, row_tag
from imageyard.publishing.destination import Destination, destination
from imageyard.publishing.publish import lock_of
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from imageyard.publishing.verify_published import prove, remedies
from imageyard.registry import states
from imageyard.registry.copying import copy, copy_referrers
from imageyard.registry.tagging import give
from imageyard.registry.vendors.table import vendor_of

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.console import Story
    from imageyard.names import Digest
    from imageyard.oci.manifests import Index, Manifest
    from imageyard.plan.trust import Repository
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["Piece", "contents", "differences", "promote"]


@dataclass(frozen=True)
class Piece:
    """A published row: its inputs, and the digests of what its tag names and of the images and attestations below."""

    row: Row
    inputs: str
    digest: Digest
    holds: frozenset[Digest]


def promote(
    project: Project,
    recipes: Recipes,
    services: Services,
    image: str,
    at: Repository | None = None,
    *,
    force: bool,
    decision: Decision = LOCAL,
) -> Reference:
    """Give an image its tag at `at`, or where the decision says, and return it by digest; one that has it is proven.

    One path for one architecture and for several: of one, the tag is the row's, and so is the digest. `force` moves a
    tag that holds other images than its rows now have. A row that the run reads in another repository is brought over
    first.
    Raises NotFound where a row is not published, PolicyRefused for rows that do not belong together or are revoked, and
    Denied or Transient for a registry that refuses us or does not answer.
    """
    options = BuildOptions(force=force, at=at, decision=decision)
    if decision.is_local:
        repository = publish_policy.repository(project.catalogue, at or "trusted")
        place = Destination(at or "trusted", repository, (repository,), moves=force)
    else:
        place = destination(project.catalogue, options)
        place = replace(place, moves=force or place.moves)
        repository = place.repository
    rows = project.rows(image)
    if image not in project.catalogue.images:
        raise errors.ConfigurationError(f"{image} is not the name of one image", hint=f"inv list --pattern '{image}'")
    for row in rows:
        publish_policy.refuse(recipes, row, options)
    client = services.registry()
    pieces = [_piece(project.catalogue, recipes, client, place, row, decision) for row in rows]
    wanted = {platform_of(piece.row.arch): piece.inputs for piece in pieces}
    target = repository.with_tag(index_tag(recipes, project.catalogue.images[image], decision))
    with lock_of(services.reporter, target):
        digest = _given(services.reporter, client, target, pieces, wanted, force=place.moves)
    prove(client, repository.with_digest(digest), wanted)
    services.reporter.step(f"{image}: {target} holds {', '.join(wanted)}")
    return repository.with_digest(digest)


def differences(pieces: Sequence[Piece], held: frozenset[Digest]) -> list[str]:
    """What an index holds that its rows do not, and the other way round, in words; empty where they agree."""
    meant = frozenset().union(*(piece.holds for piece in pieces))
    wrong = [
        f"{piece.row.name} {piece.row.arch} ({digest}) is not in it"
        for piece in pieces
        for digest in sorted(piece.holds - held)
    ]
    return wrong + [f"{digest} belongs to none of the rows" for digest in sorted(held - meant)]


def contents(root: Index | Manifest) -> frozenset[Digest]:
    """The digests of the manifests that make up an image: its own, or those in its index."""
    if isinstance(root, Manifest):
        return frozenset([root.digest])
    return frozenset(entry.digest for entry in root.manifests)


def _piece(
    catalogue: Catalogue, recipes: Recipes, client: Client, place: Destination, row: Row, decision: Decision
) -> Piece:
    """A row where it is published, brought with its records to `place` where that is another."""
    inputs = recipes.of(row).inputs
    missing: errors.NotFound | None = None
    for repository in place.reads:
        held = repository.with_tag(row_tag(recipes, row, decision))
        try:
            seen = prove(client, held, {platform_of(row.arch): inputs})
        except errors.NotFound as absent:
            missing = missing or absent
            continue
        except RevokedImage as refused:
            doing = f"promoting {row.name}"
            raise RevokedImage(refused.headline, doing=doing, hint=remedies(held.tag, row.image)) from None
        if repository != place.repository:
            source = repository.with_digest(seen.raw.digest)
            copy(client, source, place.repository)
            copy_referrers(client, source, place.repository, ARTIFACT_TYPE)
        return Piece(row, inputs, seen.raw.digest, contents(seen.root))
    raise errors.NotFound(
        missing.headline if missing else f"no repository is read for {row.name}",
        doing=f"promoting {row.name}: its row for {row.arch} is not published",
        hint=publish_policy.commands(catalogue, row, place.at),
    )


def _given(
    reporter: Story,
    client: Client,
    target: Reference,
    pieces: Sequence[Piece],
    wanted: Mapping[str, str],
    *,
    force: bool,
) -> Digest:
    """The digest that the tag names in the end: what it names now where that is these rows, else a new index."""
    try:
        there = states.inspect(client, target)
    except errors.NotFound:
        there = None
    if there is not None and not force:
        return _agreed(target, pieces, there.raw.digest, contents(there.root))
    if there is not None:
        vendor_of(target.registry).refuse_immutable(target)
    index = _index(target, pieces, wanted)
    client.put(target.with_digest(index.digest), index.body, index.media_type)
    prove(client, target.with_digest(index.digest), wanted)
    given = give(client, target, index, force=force)
    if given.adopted:
        reporter.step(f"another was faster: {target} is adopted")
        return _agreed(target, pieces, given.digest, contents(states.inspect(client, target).root))
    return given.digest


def _agreed(target: Reference, pieces: Sequence[Piece], digest: Digest, held: frozenset[Digest]) -> Digest:
    wrong = differences(pieces, held)
    if wrong:
        raise PolicyRefused(
            f"{target} holds other images than its rows are now",
            doing="promoting",
            detail=wrong,
            hint="a tag is never moved by itself: raise `epoch`, or say --force",
        )
    return digest


def _index(target: Reference, pieces: Sequence[Piece], wanted: Mapping[str, str]) -> Raw:
    """The index that buildx makes of the rows; from one row it is the row, to the byte.

    buildx is not let near the tag (`--dry-run`, buildx `docs/reference/buildx_imagetools_create.md`): what it made is
    read first, put by digest, proven, and only then given the tag.
    """
    sources = [str(target.with_digest(piece.digest)) for piece in pieces]
    options = ["--dry-run", *(["--prefer-index=false"] if len(sources) == 1 else []), "--tag", str(target)]
    with tempfile.TemporaryDirectory(prefix="imageyard-buildx-") as own:
        argv = [buildx.find(), "imagetools", "create", *options, *sources]
        answer = process.run(argv, env={"BUILDX_CONFIG": own})
    if answer.code:
        raise EnvironmentLacks(
            "buildx cannot make an index of the rows",
            doing=f"promoting {target}",
            detail=answer.complaint.splitlines()[-10:],
            hint="inv doctor",
        )
    body = answer.out.removesuffix(b"\n")
    made = parse(body)
    meant = frozenset().union(*(piece.holds for piece in pieces))
    if contents(made) != meant or (len(pieces) == 1 and made.digest != pieces[0].digest):
        wrong = differences(pieces, contents(made))
        raise PolicyRefused(f"buildx made something else of the rows of {target}", detail=wrong)
    return Raw(made.media_type, digest_of(body), body)
