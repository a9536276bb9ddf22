"""What changed in an image: packages that came, went and moved, its size by layer, and what explains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imageyard import fact_lines
from imageyard.fact_lines import FactChanges
from imageyard.layout import aligned, one_line, size
from imageyard.oci.layers import Layer, LayerPair, paired
from imageyard.recipe import words

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.queries.image_side import ImageSide

__all__ = ["Comparison", "compare", "rendered"]

_SHOWN = 12  # hex digits of a recipe's id or of a digest
_COMMAND = 72  # characters of an instruction


@dataclass(frozen=True)
class Comparison:
    """Two images of a row. `facts` are those that both have; `lacking` says which side lacks which fact."""

    row: Row
    old: ImageSide
    new: ImageSide
    why: tuple[str, ...]
    facts: Mapping[str, FactChanges]
    lacking: tuple[str, ...]
    layers: tuple[LayerPair, ...]

    @property
    def is_same(self) -> bool:
        """Whether both sides are one image."""
        if self.old.reference and self.new.reference:
            return self.old.reference.digest == self.new.reference.digest
        return self.old.tag is not None and self.old.tag == self.new.tag


def compare(row: Row, old: ImageSide, new: ImageSide) -> Comparison:
    """Compare two images of a row, by their records, layers and recipes."""
    before, after = (side.record.facts if side.record else {} for side in (old, new))
    facts = {name: fact_lines.changes(before[name], after[name]) for name in after if name in before}
    known = bool(old.layers) and bool(new.layers)
    return Comparison(
        row,
        old,
        new,
        tuple(_why(old, new)),
        facts,
        tuple(_lacking(old, new)),
        paired(old.layers, new.layers) if known else (),
    )


def _why(old: ImageSide, new: ImageSide) -> Iterator[str]:
    """What the recipes have different; of the same recipe, where the difference must come from."""
    if old.recipe and new.recipe and old.recipe.id != new.recipe.id:
        yield from words.changes(old.recipe, new.recipe)
    elif old.recipe_id is None or new.recipe_id is None:
        sides = " and ".join(side.name for side in (old, new) if side.recipe_id is None)
        yield f"what {sides} was made of is not known: no record is beside it"
    elif old.recipe_id != new.recipe_id:
        sides = " and ".join(side.name for side in (old, new) if side.recipe is None)
        ids = f"{old.recipe_id[:_SHOWN]} -> {new.recipe_id[:_SHOWN]}"
        yield f"its recipe changed ({ids}); the commit of {sides} is not in this clone, or had changes"
    elif old.reference is None or new.reference is None or old.reference.digest != new.reference.digest:
        yield "the recipe is the same: what differs came with a base that is not pinned, or with a download"


def _lacking(old: ImageSide, new: ImageSide) -> Iterator[str]:
    before, after = (side.record.facts if side.record else None for side in (old, new))
    if before is None or after is None or not (before or after):
        for side, facts in ((old, before), (new, after)):
            if not facts:
                yield f"{side.name} has no facts: {'no record is beside it' if facts is None else 'none were taken'}"
        return
    for name in dict.fromkeys([*after, *before]):
        if (name in before) is not (name in after):
            yield f"{old.name if name in after else new.name} has no fact {name}"


def rendered(found: Comparison, *, as_json: bool) -> object:
    """The comparison as text, or as plain data."""
    if as_json:
        return _plain(found)
    title, old, new = f"{found.row.name} {found.row.arch}", found.old, found.new
    if found.is_same:
        return f"{title}: {new.tag or new.name} is the same image, {old.name} and {new.name}"
    lines = [f"{title}: {_shown(old)} -> {_shown(new)}", "why:", *(f"  {line}" for line in found.why)]
    for name, changes in found.facts.items():
        lines += [f"{name}: {_counted(changes)}", *(f"  {line}" for line in _fact(changes))]
    lines += found.lacking
    if found.layers:
        lines += [f"size: {_sizes(found)}", *(f"  {line}" for line in _layers(found.layers))]
    return "\n".join(lines)


def _shown(side: ImageSide) -> str:
    where = side.tag or side.name
    return where if side.name == where else f"{where} ({side.name})"


def _counted(changes: FactChanges) -> str:
    counts = {
        "came": len(changes.came),
        "went": len(changes.went),
        "moved": len(changes.moved),
        "lines came": len(changes.lines_came),
        "lines went": len(changes.lines_went),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "unchanged"


def _fact(changes: FactChanges) -> list[str]:
    rows = [("moved", name, f"{before} -> {after}") for name, (before, after) in changes.moved.items()]
    rows += [("came", name, version) for name, version in changes.came.items()]
    rows += [("went", name, version) for name, version in changes.went.items()]
    table = aligned(("", "", ""), rows)[1:] if rows else []
    return [*table, *_marked("+", changes.lines_came), *_marked("-", changes.lines_went)]


def _marked(mark: str, lines: Sequence[str]) -> list[str]:
    """Lines as they may be shown: whoever may write to the repository may have written the record."""
    return [f"{mark} {one_line(line)}" for line in lines]


def _sizes(found: Comparison) -> str:
    before, after = (sum(layer.size for layer in side.layers) for side in (found.old, found.new))
    return f"{size(before)} -> {size(after)} ({_signed(after - before)}), compressed"


def _signed(difference: int) -> str:
    return f"{'-' if difference < 0 else '+'}{size(abs(difference))}"


def _layers(pairs: tuple[LayerPair, ...]) -> list[str]:
    """A line for each layer that differs, and one for all that are the same."""
    rows = [
        (_size(pair.old), "->", _size(pair.new), _signed(_bytes(pair.new) - _bytes(pair.old)), _instruction(pair))
        for pair in pairs
        if not pair.is_same
    ]
    same = sum(pair.is_same for pair in pairs)
    table = aligned(("", "", "", "", ""), rows)[1:] if rows else []
    return [*table, *([f"{same} layer{'' if same == 1 else 's'} the same"] if same else [])]


def _size(layer: Layer | None) -> str:
    return size(layer.size) if layer else "nothing"


def _bytes(layer: Layer | None) -> int:
    return layer.size if layer else 0


def _instruction(pair: LayerPair) -> str:
    layer = pair.new or pair.old
    assert layer is not None
    return one_line(layer.command, _COMMAND) if layer.command else layer.digest[: 7 + _SHOWN]


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "image": found.row.name,
        "arch": found.row.arch,
        "same": found.is_same,
        "from": _side(found.old),
        "to": _side(found.new),
        "why": [] if found.is_same else list(found.why),
        "facts": {
            name: {
                "came": dict(changes.came),
                "went": dict(changes.went),
                "moved": {one: list(versions) for one, versions in changes.moved.items()},
                "lines_came": list(changes.lines_came),
                "lines_went": list(changes.lines_went),
            }
            for name, changes in found.facts.items()
        },
        "lacking": list(found.lacking),
        "layers": [{"from": _layer(pair.old), "to": _layer(pair.new)} for pair in found.layers],
    }


def _side(side: ImageSide) -> dict[str, Any]:
    record = side.record
    return {
        "name": side.name,
        "tag": side.tag,
        "reference": str(side.reference) if side.reference else None,
        "recipe": side.recipe_id,
        "commit": record.commit if record else None,
        "built": (record.ended or record.started) if record else None,
        "size": sum(layer.size for layer in side.layers) if side.layers else None,
    }


def _layer(layer: Layer | None) -> dict[str, Any] | None:
    return None if layer is None else {"digest": layer.digest, "size": layer.size, "command": layer.command}
