"""`inv clean`: what the engine holds of ours, why each stays or goes, and, told to, its removal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from imageyard.errors import EnvironmentLacks, ImageyardError
from imageyard.layout import size
from imageyard.names import parse_reference, parse_tag
from imageyard.project.labels import IMAGE_LABEL
from imageyard.run import leftovers

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.console import Story
    from imageyard.engine import Engine, LoadedImage
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["EngineItem", "clean"]


@dataclass(frozen=True)
class EngineItem:
    """Something of ours in the engine; `bytes` is its size, shared layers counted in full.

    `goes` is the judgement, `removed` whether it was followed.
    """

    what: Literal["image", "container"]
    name: str
    reason: str
    goes: bool
    bytes: int = 0
    removed: bool = False


def clean(
    project: Project, recipes: Recipes, services: Services, *, yes: bool, everything: bool, as_json: bool
) -> object:
    """Remove with `yes` what is not current; without it only say what would go.

    Current is what the catalogue's rows would be tagged now; `everything` takes that too. Tags of other catalogues
    that share the repository's name are left alone. The build cache is the engine's own: `docker builder prune`.
    Raises EnvironmentLacks, after the rest is done, for what the engine does not let go, and ConfigurationError, before
    anything is, where a recipe cannot be worked out.
    """
    engine = services.engine()
    items = [*_containers(project, engine), *_images(project, recipes, engine, everything=everything)]
    refused: list[str] = []
    if yes:
        items = [_removed(engine, item, refused) if item.goes else item for item in items]
    if as_json:
        services.reporter.result([asdict(item) for item in items])
    else:
        _tell(services.reporter, items, yes=yes, everything=everything)
    if refused:
        raise EnvironmentLacks(
            f"{len(refused)} of {len(items)} could not be removed",
            detail=refused,
            hint="docker ps --all    (a container may use it)",
        )
    return None


def _removed(engine: Engine, item: EngineItem, refused: list[str]) -> EngineItem:
    try:
        engine.remove(item.name) if item.what == "container" else engine.untag(item.name)
    except ImageyardError as error:
        refused.append(f"{item.name}: {error.headline}")
        return item
    return replace(item, removed=True)


def _tell(reporter: Story, items: Sequence[EngineItem], *, yes: bool, everything: bool) -> None:
    def fate(item: EngineItem) -> str:
        if not item.goes:
            return "stays"
        return "would go" if not yes else "removed" if item.removed else "refused"

    if items:
        cells = [(fate(i), i.what, i.name, i.reason, size(i.bytes) if i.bytes else "-") for i in items]
        reporter.table(("", "what", "name", "why", "size"), cells)
    going = len([item for item in items if (item.removed if yes else item.goes)])
    again = "" if yes or not going else f"; to do it: inv clean {'--all ' if everything else ''}--yes"
    reporter.step(f"{going} of {len(items)} {'removed' if yes else 'would go'}{again}")


def _containers(project: Project, engine: Engine) -> list[EngineItem]:
    return [
        EngineItem("container", container.name, f"of {'a run that died' if goes else 'a run that lives'}", goes)
        for container, goes in leftovers.containers(project, engine)
    ]


def _images(project: Project, recipes: Recipes, engine: Engine, *, everything: bool) -> list[EngineItem]:
    current = _current(project.catalogue, recipes)
    dead = set(leftovers.leftovers(project, engine))
    ours = {f"{project.repository}:", *(f"{parse_reference(one).name}:" for one in project.catalogue.mirrors)}
    items = []
    for image in sorted(engine.images(IMAGE_LABEL), key=lambda image: image.tags):
        for name in image.tags or (image.id,):
            items.append(_judged(project.catalogue, image, name, ours, current, dead, everything=everything))
    return items


def _judged(
    catalogue: Catalogue,
    image: LoadedImage,
    name: str,
    ours: set[str],
    current: set[str],
    dead: set[str],
    *,
    everything: bool,
) -> EngineItem:
    prefix = next((one for one in ours if name.startswith(one)), None)
    tag = name.removeprefix(prefix or "")
    if not image.tags:
        return EngineItem("image", name, "has no tag any more", True, image.size)
    if prefix is None:
        return EngineItem("image", name, "another repository's", False, image.size)
    if tag.startswith("unchecked-"):
        reason = "left by a run that died" if name in dead else "a run that lives"
        return EngineItem("image", name, reason, name in dead, image.size)
    if tag in current:
        return EngineItem("image", name, "current", everything, image.size)
    parsed = parse_tag(tag)
    if parsed is None or parsed.image not in catalogue.images:
        return EngineItem("image", name, "of no image in this catalogue", False, image.size)
    return EngineItem("image", name, "its inputs have moved on", True, image.size)


def _current(catalogue: Catalogue, recipes: Recipes) -> set[str]:
    """The tags that the rows would have now; a Dockerfile that cannot be read ends it: unreadable means hands off."""
    found = set()
    for row in catalogue.rows:
        found.add(recipes.tag(row))
    return found
