"""What exists, by digest: the references that a job hands over to those after it, and what they must do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.errors import ImageyardError
from imageyard.layout import aligned
from imageyard.names import Absent, Arch, Present, Reference, Revoked, State, Unknown, parse_reference, platform_of
from imageyard.plan.decision import LOCAL
from imageyard.project import publish_policy
from imageyard.project.tags import published_index_tag, published_row_tag
from imageyard.publishing.verify_published import revoked, unknown
from imageyard.registry.states import states

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.plan.trust import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["ImageReference", "check", "places", "references", "rendered"]


@dataclass(frozen=True)
class ImageReference:
    """An image (`arch` None) or a row of it: where it is, by digest, or why no reference can be given.

    `mirrors` have the same digest under the same tag. `error` is what an unknown state is; an absent one has none.
    """

    image: str
    arch: Arch | None
    tag: str
    reference: Reference | None = None
    mirrors: tuple[Reference, ...] = ()
    why: str = ""
    error: ImageyardError | None = None


@dataclass(frozen=True)
class _Asked:
    image: str
    arch: Arch | None
    tag: str
    platforms: tuple[str, ...]
    refused: str


def places(decision: Decision, at: str | None) -> tuple[str, ...]:
    """Where an image counts as there: in the repository that is named, else those that the run reads, else trusted."""
    return (at,) if at else decision.reads or ("trusted",)


def references(
    project: Project,
    recipes: Recipes,
    services: Services,
    pattern: str,
    arch: str | None,
    at: Sequence[str],
    decision: Decision = LOCAL,
) -> list[ImageReference]:
    """What the first of the repositories that has it says of each image of a pattern, and of each of its rows.

    What no repository has, or will not say to us, may be at a mirror, which a trusted run filled: a job without
    credentials is handed that. A mirror that does not say is told, and is not mentioned with the reference. Tags are
    those that a run of `decision` reads: of canaries in a weekly build, else of the content. Raises
    ConfigurationError for a pattern or a place that is none.
    """
    client = services.registry()
    repositories = [publish_policy.repository(project.catalogue, one) for one in at]
    asked = _asked(project, recipes, pattern, arch, decision)
    wanted = [repository.with_tag(one.tag) for repository in repositories for one in asked if not one.refused]
    told = states(client, wanted)
    entries = [_entry(one, repositories, told) for one in asked]
    mirrors = [parse_reference(one) for one in project.catalogue.mirrors]
    copies = states(client, [m.with_tag(one.tag) for m in mirrors for one in asked if not one.refused])
    for mirror in mirrors:
        silent = [s for r, s in copies.items() if r.name == mirror.name and isinstance(s, Unknown)]
        if silent:
            services.reporter.warn(f"the mirror {mirror.name} did not say what it has: {silent[0].why}")
    return [
        entry if one.refused else _with_mirrors(entry, one.platforms, mirrors, copies)
        for entry, one in zip(entries, asked, strict=True)
    ]


def rendered(entries: Sequence[ImageReference], *, as_json: bool) -> object:
    """The references as a table, or as `{"references": [...], "absent": [...]}`."""
    there = [entry for entry in entries if entry.reference is not None]
    absent = [entry for entry in entries if entry.reference is None]
    if as_json:
        return {
            "references": [
                {**_plain(entry), "reference": str(entry.reference), "mirrors": [str(m) for m in entry.mirrors]}
                for entry in there
            ],
            "absent": [{**_plain(entry), "reason": entry.why} for entry in absent],
        }
    cells = [(one.image, one.arch or "all", str(one.reference or "-"), one.why or _copies(one)) for one in entries]
    return "\n".join(aligned(("image", "arch", "reference", ""), cells))


def check(entries: Sequence[ImageReference], *, existing: bool, known: bool = False) -> None:
    """Raise what keeps the list from being whole: a registry that does not say; unless `existing`, what is absent.

    `known`: what a registry does not say is left out like what is absent. What it has wrongly is raised all the same.
    """
    for entry in entries:
        if entry.error is not None and not (known and isinstance(entry.error, (errors.Denied, errors.Transient))):
            raise entry.error
    absent = [entry for entry in entries if entry.reference is None]
    if absent and not (existing or known):
        one = absent[0]
        more = f" (and {len(absent) - 1} more)" if absent[1:] else ""
        raise errors.NotFound(
            f"{one.image} {one.arch or 'as a whole'} has no reference: {one.why}{more}",
            hint=("inv plan    (what has to be built)", "--existing leaves out what is not there"),
        )


def _asked(project: Project, recipes: Recipes, pattern: str, arch: str | None, decision: Decision) -> list[_Asked]:
    weekly = not decision.uses_locked_bases
    found: dict[str, list[Row]] = {}
    for row in project.rows(pattern, arch):
        found.setdefault(row.name, []).append(row)
    asked = []
    for name, rows in found.items():
        refused = next(filter(None, (publish_policy.why_not(recipes, row, weekly=weekly) for row in rows)), "")
        if arch is None:
            tag = published_index_tag(recipes, project.catalogue.images[name], decision)
            asked.append(_Asked(name, None, tag, tuple(platform_of(row.arch) for row in rows), refused))
        asked += [
            _Asked(
                name,
                row.arch,
                published_row_tag(recipes, row, decision),
                (platform_of(row.arch),),
                publish_policy.why_not(recipes, row, weekly=weekly),
            )
            for row in rows
        ]
    return asked


def _entry(one: _Asked, repositories: Sequence[Reference], told: Mapping[Reference, State]) -> ImageReference:
    if one.refused:
        return ImageReference(one.image, one.arch, one.tag, why=f"it is never published: {one.refused}")
    for repository in repositories:
        wanted = repository.with_tag(one.tag)
        match told[wanted]:
            case Present(digest=digest, platforms=platforms):
                if sorted(platforms) == sorted(one.platforms):
                    return ImageReference(one.image, one.arch, one.tag, repository.with_digest(digest))
                error: ImageyardError = errors.PolicyRefused(
                    f"{wanted} is for {', '.join(platforms) or 'no platform'}, not for {', '.join(one.platforms)}"
                )
                return ImageReference(one.image, one.arch, one.tag, why=error.headline, error=error)
            case Absent():
                continue
            case Revoked() as state:
                refused = revoked(state, wanted, f"asking for {wanted}")
                return ImageReference(one.image, one.arch, one.tag, why=state.why, error=refused)
            case Unknown() as state:
                return ImageReference(
                    one.image, one.arch, one.tag, why=state.why, error=unknown(state, wanted, f"asking for {wanted}")
                )
    return ImageReference(one.image, one.arch, one.tag, why=f"absent in {', '.join(one.name for one in repositories)}")


def _with_mirrors(
    entry: ImageReference, platforms: Sequence[str], mirrors: Sequence[Reference], copies: Mapping[Reference, State]
) -> ImageReference:
    if isinstance(entry.error, errors.PolicyRefused):
        return entry
    found = []
    for mirror in mirrors:
        state = copies[mirror.with_tag(entry.tag)]
        if isinstance(state, Present) and sorted(state.platforms) == sorted(platforms):
            found.append(mirror.with_digest(state.digest))
    if entry.reference is None and found:
        return replace(entry, reference=found[0], mirrors=(found[0],), why=f"from a mirror: {entry.why}", error=None)
    alike = tuple(one for one in found if entry.reference and one.digest == entry.reference.digest)
    return replace(entry, mirrors=alike)


def _plain(entry: ImageReference) -> dict[str, object]:
    return {"image": entry.image, "arch": entry.arch, "tag": entry.tag}


def _copies(entry: ImageReference) -> str:
    return f"also at {', '.join(one.name for one in entry.mirrors)}" if entry.mirrors else ""
