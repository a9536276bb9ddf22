"""`inv clean`: what the engine holds of ours, why each stays or goes, and, told to, its removal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from imageyard.layout import size
from imageyard.names import parse_tag
from imageyard.ship import sweep

if TYPE_CHECKING:
    from imageyard.engine import Engine, LoadedImage
    from imageyard.ship.workspace import Workspace

__all__ = ["Item", "clean"]


@dataclass(frozen=True)
class Item:
    """Something of ours in the engine; `bytes` is its size, shared layers counted in full."""

    what: Literal["image", "container"]
    name: str
    reason: str
    goes: bool
    bytes: int = 0


def clean(workspace: Workspace, *, yes: bool, everything: bool, as_json: bool) -> object:
    """Remove with `yes` what is not current; without it only say what would go.

    Current is what the catalogue's rows would be tagged now; `everything` takes that too. Tags of other catalogues
    that share the repository's name are left alone. The build cache is the engine's own: `docker builder prune`.
    """
    engine = workspace.engine
    items = [*_containers(workspace, engine), *_images(workspace, engine, everything=everything)]
    going = [item for item in items if item.goes]
    if yes:
        for item in going:
            engine.remove(item.name) if item.what == "container" else engine.untag(item.name)
    if as_json:
        return [asdict(item) for item in items]
    done = "removed" if yes else "would go"
    if items:
        cells = [
            (done if i.goes else "stays", i.what, i.name, i.reason, size(i.bytes) if i.bytes else "-") for i in items
        ]
        workspace.story.table(("", "what", "name", "why", "size"), cells)
    workspace.story.step(
        f"{len(going)} of {len(items)} {done}" + ("" if yes or not going else "; to do it: inv clean --yes")
    )
    return None


def _containers(workspace: Workspace, engine: Engine) -> list[Item]:
    return [
        Item("container", container.name, f"of {'a run that died' if goes else 'a run that lives'}", goes)
        for container, goes in sweep.containers(workspace, engine)
    ]


def _images(workspace: Workspace, engine: Engine, *, everything: bool) -> list[Item]:
    current = _current(workspace)
    dead = set(sweep.leftovers(workspace, engine))
    prefix = f"{workspace.repository}:"
    items = []
    for image in sorted(engine.images(sweep.IMAGE_LABEL), key=lambda image: image.tags):
        for name in image.tags or (image.id,):
            items.append(_judged(workspace, image, name, prefix, current, dead, everything=everything))
    return items


def _judged(
    workspace: Workspace,
    image: LoadedImage,
    name: str,
    prefix: str,
    current: set[str],
    dead: set[str],
    *,
    everything: bool,
) -> Item:
    tag = name.removeprefix(prefix)
    if not image.tags:
        return Item("image", name, "has no tag any more", True, image.size)
    if not name.startswith(prefix):
        return Item("image", name, "another repository's", False, image.size)
    if tag.startswith("unchecked-"):
        reason = "left by a run that died" if name in dead else "a run that lives"
        return Item("image", name, reason, name in dead, image.size)
    if tag in current:
        return Item("image", name, "current", everything, image.size)
    parsed = parse_tag(tag)
    if parsed is None or parsed.image not in workspace.catalogue.images:
        return Item("image", name, "of no image in this catalogue", False, image.size)
    return Item("image", name, "its inputs have moved on", True, image.size)


def _current(workspace: Workspace) -> set[str]:
    """The tags that the rows would have now; a Dockerfile that cannot be read ends it: unreadable means hands off."""
    found = set()
    for row in workspace.catalogue.rows:
        found.add(workspace.recipes().tag(row))
    return found
