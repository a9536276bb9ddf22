"""Where an image is published: its tag at a place, by digest, and the records beside its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.layout import aligned
from imageyard.names import Absent, Present, Reference, Revoked, platform_of
from imageyard.plan.decision import LOCAL
from imageyard.project import publish_policy
from imageyard.project.tags import published_index_tag, published_row_tag
from imageyard.publishing import record_artifact
from imageyard.publishing.verify_published import revoked, unknown
from imageyard.records import to_json
from imageyard.registry import states

if TYPE_CHECKING:
    from imageyard.catalogue.model import Image, Row
    from imageyard.console import Story
    from imageyard.names import State
    from imageyard.plan.decision import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Record
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["Target", "judged", "records", "resolve", "target_of"]


@dataclass(frozen=True)
class Target:
    """What is asked for: an image, or its row of one architecture, under its tag at a place."""

    reference: Reference
    platforms: tuple[str, ...]
    commands: tuple[str, ...]  # what publishes it
    image: Image | None = None


def target_of(
    project: Project, recipes: Recipes, image: str, arch: str | None, at: str, decision: Decision = LOCAL
) -> Target:
    """The tag of an image at a place: that of its content, in a weekly build that of the canary.

    Raises ConfigurationError for no image, PolicyRefused for a `-local` tag.
    """
    repository = publish_policy.repository(project.catalogue, at)
    rows = project.rows(image, arch)
    if image not in project.catalogue.images:
        raise errors.ConfigurationError(f"{image} is not the name of one image", hint=f"inv list --pattern '{image}'")
    for row in rows:
        publish_policy.refuse(recipes, row, weekly=not decision.uses_locked_bases)
    whole = arch is None and len(rows) > 1
    declared = project.catalogue.images[image]
    tag = published_index_tag(recipes, declared, decision) if whole else published_row_tag(recipes, rows[0], decision)
    promote = (f"inv promote {image}{publish_policy.at_option(at)}",)
    commands = promote if whole else publish_policy.commands(project.catalogue, rows[0], at)
    return Target(repository.with_tag(tag), tuple(platform_of(row.arch) for row in rows), commands, declared)


def resolve(
    project: Project,
    recipes: Recipes,
    image: str,
    arch: str | None,
    at: str,
    registry: Client,
    decision: Decision = LOCAL,
) -> str:
    """`REPOSITORY@sha256:...` of an image, or of its row of one architecture.

    Raises NotFound where it is not published, Denied or Transient where the registry does not say, PolicyRefused where
    it holds something else, or what it holds is revoked.
    """
    target = target_of(project, recipes, image, arch, at, decision)
    found = judged(target, states.state(registry, target.reference))
    if found is None:
        raise errors.NotFound(f"{target.reference} is not there", doing=f"resolving {image}", hint=target.commands)
    return found


def judged(target: Target, state: State) -> str | None:
    """`REPOSITORY@sha256:...` of what is there, None where it is absent; raises what other states are."""
    match state:
        case Present(digest=digest, platforms=platforms):
            if sorted(platforms) != sorted(target.platforms):
                raise errors.PolicyRefused(
                    f"{target.reference} is for {', '.join(platforms) or 'no platform'}, "
                    f"not for {', '.join(target.platforms)}",
                    hint="raise `epoch` in the catalogue, which gives the same inputs a new tag",
                )
            return str(target.reference.with_digest(digest))
        case Absent():
            return None
        case Revoked():
            raise revoked(state, target.reference, f"asking for {target.reference}", target.image)
        case _:
            raise unknown(state, target.reference, f"asking for {target.reference}")


def records(
    project: Project,
    recipes: Recipes,
    services: Services,
    image: str,
    arch: str | None,
    at: str,
    decision: Decision = LOCAL,
    *,
    as_json: bool,
) -> object:
    """The records beside an image's rows: a table, or with `as_json` a list of all they hold.

    Raises NotFound where no row is published, Denied or Transient where the registry does not say.
    """
    client = services.registry()
    repository = publish_policy.repository(project.catalogue, at)
    tagged = [(row, published_row_tag(recipes, row, decision)) for row in project.rows(image, arch)]
    found = [_beside(services.reporter, client, repository.with_tag(tag), row) for row, tag in tagged]
    if all(one is None for one in found):
        hint = publish_policy.commands(project.catalogue, project.rows(image, arch)[0], at)
        raise errors.NotFound(f"no row of {image} is published at {repository.name}", hint=hint)
    listed = [(reference, record) for one in found if one for reference, record in one]
    if as_json:
        return [{"reference": reference, **to_json(record)} for reference, record in listed]
    if not listed:
        return "no record is beside it"
    return "\n".join(aligned(("image", "arch", "built", "commit", "checks", "reference"), [_cells(*o) for o in listed]))


def _beside(reporter: Story, client: Client, tagged: Reference, row: Row) -> list[tuple[str, Record]] | None:
    try:
        image = tagged.with_digest(client.head(tagged)[0])
    except errors.NotFound:
        reporter.detail(f"{row.name} {row.arch}: {tagged} is not there")
        return None
    return [(str(image), record) for record in record_artifact.read(client, image, reporter)]


def _cells(reference: str, record: Record) -> tuple[str, ...]:
    commit = f"{record.commit[:12]}{' and changes' if record.dirty else ''}" if record.commit else "-"
    passed = sum(finding.ok for finding in record.findings)
    checks = f"{passed}/{len(record.findings)}" if record.findings else "-"
    return (record.image, record.arch, record.ended or record.started, commit, checks, reference)
