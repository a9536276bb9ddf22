"""Names as sentences: every name of the catalogue, with its words and the levels that its fields come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from imageyard.catalogue.braces import EXPANSION_LIMIT
from imageyard.catalogue.merge import Tree, merged, tree_of
from imageyard.catalogue.model import Where
from imageyard.catalogue.nodes import Map, Text, error_at, place
from imageyard.catalogue.scalars import FieldFault
from imageyard.catalogue.words import Word, Words
from imageyard.names import image_name_fault

__all__ = ["Level", "Sentence", "lay_over", "sentences_of"]


class Level(NamedTuple):
    """The fields of one level, `args` and `per_arch` apart; `args` is None where `args: ~` removes all below."""

    label: str
    fields: Tree
    args: Mapping[str, Text] | None
    per_arch: Mapping[str, Level]
    removal: Text | None = None  # the `~` of `args: ~`


class Sentence(NamedTuple):
    """A name of the catalogue before it is built: its pattern's node and key, its words, its levels."""

    name: str
    family: str
    node: Map
    key: str
    words: tuple[Word, ...]
    defaults: Level
    of_family: Level
    of_name: Level
    fields: Tree  # all levels merged, without args and per_arch

    def where(self) -> Where:
        """Where the pattern stands."""
        return place(self.node, self.key)

    def args(self) -> dict[str, Text]:
        """Args before `per_arch`: defaults, words, family, name. Raises ConfigurationError where words disagree."""
        result: dict[str, Text] = dict(self.defaults.args or {})
        set_by: dict[str, Word] = {}
        for word in self.words:
            for name, node in word.args.items():
                other = set_by.setdefault(name, word)
                if other is not word and other.args[name].text != node.text and not self._settled(name):
                    hint = f"set {name} at the name or at the family {self.family!r}"
                    headline = f"the words {other.name!r} and {word.name!r} of {self.name} disagree about {name}"
                    raise error_at(self.node, headline, key=self.key, hint=hint)
            lay_over(result, word.args)
        for level in (self.of_family, self.of_name):
            lay_over(result, level.args)
        return result

    def _settled(self, name: str) -> bool:
        return any(level.args is None or name in level.args for level in (self.of_family, self.of_name))


def lay_over(result: dict[str, Text], args: Mapping[str, Text] | None) -> None:
    """Set and remove what a level says of args; None removes them all."""
    if args is None:
        result.clear()
        return
    for name, node in args.items():
        if node.text is None:
            result.pop(name, None)
        else:
            result[name] = node


def sentences_of(root: Map, words: Words, prefix: str) -> Iterator[Sentence]:
    """Every name, in catalogue order. Raises ConfigurationError for one that cannot be read or stands twice."""
    defaults = _level("defaults", root.items.get("defaults"))
    families = cast(Map, root.items["images"])
    seen: dict[str, Sentence] = {}
    for family, node in families.items.items():
        assert isinstance(node, Map)
        of_family = _level(f"family {family}", node)
        below = merged(merged({}, defaults.fields), of_family.fields)
        names = cast(Map, node.items["names"])
        for pattern, own in names.items.items():
            of_name = _level(f"name {pattern}", own)
            fields = merged(below, of_name.fields) if of_name.fields else below
            try:
                for name in words.expand(pattern, EXPANSION_LIMIT):
                    if len(seen) >= EXPANSION_LIMIT:
                        raise FieldFault(f"the catalogue has more than {EXPANSION_LIMIT:,} names")
                    if other := seen.get(prefix + name):
                        raise FieldFault(
                            f"two patterns give the name {prefix + name!r}",
                            f"the other is {other.key!r} at {other.where()}: keep one of them",
                        )
                    if fault := image_name_fault(prefix + name):
                        raise FieldFault(f"{(prefix + name)[:120]!r} cannot be a name: {fault}")
                    sentence = words.read(name)
                    seen[prefix + name] = Sentence(
                        prefix + name, family, names, pattern, sentence, defaults, of_family, of_name, fields
                    )
            except FieldFault as fault_:
                raise error_at(names, fault_.headline, key=pattern, hint=fault_.hint) from None
    yield from seen.values()


def _level(label: str, node: object) -> Level:
    """A level's fields as they will be merged; nothing for a bare name."""
    if not isinstance(node, Map):
        return Level(label, {}, {}, {})
    items = {key: value for key, value in node.items.items() if key != "names"}
    args, per_arch = items.pop("args", None), items.pop("per_arch", None)
    own: Mapping[str, Text] | None = {}
    if isinstance(args, Map):
        own = cast("dict[str, Text]", args.items)
    elif args is not None:
        own = None
    arches = per_arch.items if isinstance(per_arch, Map) else {}
    return Level(
        label,
        {key: tree_of(value) if isinstance(value, Map) else value for key, value in items.items()},
        own,
        {arch: _level(f"{label}, per_arch {arch}", fields) for arch, fields in arches.items()},
        args if isinstance(args, Text) else None,
    )
