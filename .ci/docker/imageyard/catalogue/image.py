"""One image of one architecture: merged fields become an Image, every text filled and checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from imageyard.catalogue.checks import Plans
from imageyard.catalogue.fill import Known, RowBeingFilled
from imageyard.catalogue.forms import FILLED
from imageyard.catalogue.grammar import FIELDS
from imageyard.catalogue.kinds import ListOf, MapOf, Scalar, parsed
from imageyard.catalogue.merge import Tree, merged
from imageyard.catalogue.model import Image, Provenance, Runner, Secret, Where
from imageyard.catalogue.nodes import Seq, Text, error_at, place
from imageyard.catalogue.sentence import Sentence, lay_over
from imageyard.catalogue.words import PLAIN
from imageyard.errors import ConfigurationError
from imageyard.names import Arch

__all__ = ["NOTHING", "arches_of", "build"]

NOTHING: Mapping[str, str] = MappingProxyType({})

_DEFAULT_TIMEOUT = 240 * 60.0  # seconds


def arches_of(sentence: Sentence) -> tuple[Arch, ...]:
    """The architectures of an image, in the order written. Raises ConfigurationError."""
    node = sentence.fields.get("arches")
    if node is None:
        return ("amd64",)
    assert isinstance(node, Seq)
    arches = tuple(cast(Arch, item.value) for item in node.items if isinstance(item, Text))
    if not arches:
        raise error_at(node, "arches is empty", hint="write [amd64], [arm64] or [amd64, arm64]")
    if len(set(arches)) < len(arches):
        raise error_at(node, "an architecture stands twice")
    return arches


def build(
    sentence: Sentence,
    arch: Arch,
    arches: tuple[Arch, ...],
    known: Known,
    plans: Plans,
    overrides: Mapping[str, str] = NOTHING,
) -> tuple[Image, bool]:
    """The image as its row for `arch` has it, and whether another arch could differ. Raises ConfigurationError."""
    fields, args = sentence.fields, sentence.args()
    differs = False
    for level in (sentence.defaults, sentence.of_family, sentence.of_name):
        if level.per_arch:
            differs = True
            if own := level.per_arch.get(arch):
                fields = merged(fields, own.fields)
                lay_over(args, own.args)
    words = {word.axis: word.name for word in sentence.words if word.axis != PLAIN}
    row = RowBeingFilled(sentence.name, arch, words, known, overrides)
    try:
        row.resolve(args)
        image = _image(sentence, _Reader(fields, row), arches, plans, args)
    except ConfigurationError as error:
        if error.at is None:
            error.at = str(sentence.where())
        raise
    return image, differs or row.asked_arch


def _where(args: Mapping[str, Text], name: str) -> Where | None:
    """Where an arg is set, None for one that `--set` gives."""
    return place(args[name]) if name in args else None


class _Reader:
    """Merged fields of one row, read as values."""

    def __init__(self, fields: Tree, row: RowBeingFilled) -> None:
        self.fields = fields
        self.row = row

    def value(self, key: str, default: Any) -> Any:
        """A parsed value, its placeholders filled and the result checked as the text itself would be."""
        node = self.fields.get(key)
        if node is None:
            return default
        kind = FIELDS[key].kind
        assert isinstance(node, Text)
        assert isinstance(kind, Scalar)
        return self.filled(kind, node)

    def filled(self, kind: Scalar, node: Text) -> Any:
        return node.value if node.parts is None else parsed(kind, self.row.text(node), node)

    def texts(self, key: str) -> Sequence[Text]:
        node = self.fields.get(key)
        return [item for item in node.items if isinstance(item, Text)] if isinstance(node, Seq) else ()

    def tree(self, key: str) -> Tree:
        node = self.fields.get(key)
        return node if isinstance(node, dict) else {}


def _image(
    sentence: Sentence, read: _Reader, arches: tuple[Arch, ...], plans: Plans, args: Mapping[str, Text]
) -> Image:
    dockerfile = read.value("dockerfile", None)
    if dockerfile is None:
        hint = "set dockerfile in defaults, at the family or at the name"
        raise error_at(sentence.node, f"{sentence.name} has no dockerfile", key=sentence.key, hint=hint)
    row = read.row
    return Image(
        name=sentence.name,
        family=sentence.family,
        words=tuple([word.name for word in sentence.words]),
        dockerfile=dockerfile,
        context=read.value("context", "."),
        target=read.value("target", None),
        arches=arches,
        args=row.args,
        parents=row.parents,
        checks=plans.checks(read.tree("checks"), row) if "checks" in read.fields else (),
        facts=plans.facts(read.tree("facts"), row) if "facts" in read.fields else (),
        tags=_tags(read),
        secrets=_secrets(read.tree("secrets")) if "secrets" in read.fields else (),
        contexts=_map(read, "contexts") if "contexts" in read.fields else {},
        files=_map(read, "files") if "files" in read.fields else {},
        arg_files=row.arg_files,
        timeout=read.value("timeout", _DEFAULT_TIMEOUT),
        runner=_runner(read),
        provenance=cast(Provenance, read.value("provenance", "off")),
        sbom=read.value("sbom", False),
        reproducible=read.value("reproducible", False),
        unpinned_allowed="unpinned" in read.fields,
        remote_checks=read.value("remote_checks", False),
        attempts=read.value("attempts", 1),
        epoch=read.value("epoch", ""),
        lane=read.value("lane", None),
        where=sentence.where(),
        where_of=partial(_where, args),
    )


def _runner(read: _Reader) -> Runner | None:
    node = read.fields.get("runner")
    group: Text | Seq | Tree | None = None
    labels: Text | Seq | Tree | None = node
    if node is None:
        return None
    if isinstance(node, dict):
        group, labels = node.get("group"), node.get("labels")
    texts = [labels] if isinstance(labels, Text) else labels.items if isinstance(labels, Seq) else []
    named = tuple([read.filled(FILLED, text) for text in texts if isinstance(text, Text)])
    if isinstance(group, Text):
        return Runner(named, read.filled(FILLED, group))
    if named and not isinstance(node, dict):
        return Runner(named)
    headline = "runner has labels and no group" if named else "runner names neither a label nor a group"
    hint = "write runner: LABEL, runner: [LABEL, LABEL] or runner: {group: GROUP, labels: [LABEL]}"
    raise error_at(labels, headline, hint=hint) if isinstance(labels, Seq) else ConfigurationError(headline, hint=hint)


def _tags(read: _Reader) -> tuple[str, ...]:
    kind = FIELDS["tags"].kind
    assert isinstance(kind, ListOf)
    return tuple([read.filled(kind.item, node) for node in read.texts("tags")])


def _map(read: _Reader, key: str) -> dict[str, str]:
    kind = FIELDS[key].kind
    assert isinstance(kind, MapOf)
    assert isinstance(kind.value, Scalar)
    value = kind.value
    return {name: read.filled(value, node) for name, node in read.tree(key).items() if isinstance(node, Text)}


def _secrets(tree: Tree) -> tuple[Secret, ...]:
    secrets = []
    for name, fields in tree.items():
        assert isinstance(fields, dict)
        source, required = fields.get("source"), fields.get("required")
        if not isinstance(source, Text):
            leaf = next(iter(fields.values()), None)
            headline = f"the secret {name!r} has no source"
            hint = "source: env:NAME, or file:PATH"
            raise (
                error_at(leaf, headline, hint=hint)
                if isinstance(leaf, Text)
                else ConfigurationError(headline, hint=hint)
            )
        secrets.append(Secret(name, source.value, required.value if isinstance(required, Text) else True))
    return tuple(secrets)
