"""Placeholders: `{image}`, `{arch}`, `{axis}` and `{ARG}`, filled for one row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from imageyard.catalogue.arg_files import ArgFiles
from imageyard.catalogue.nodes import Document, Text, error_at, place
from imageyard.catalogue.scalars import ARG_LIMIT, file_of_arg
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["PARENT", "Known", "RowBeingFilled", "refuse_unknown"]

PARENT = "image:"
_CHAIN_LIMIT = 50


class Known:
    """The placeholders that a catalogue knows at all, and the files that its args are read from."""

    def __init__(self, args: Iterable[str], axes: Iterable[str], files: ArgFiles) -> None:
        self.files = files
        self.args = set(args)
        self.names = {*self.args, *axes, "image", "arch"}


def refuse_unknown(node: Text, names: Iterable[str], known: Known) -> None:
    """Raises ConfigurationError at `node` for a placeholder that nothing in the catalogue ever sets."""
    for name in names:
        if name not in known.names:
            hint = did_you_mean(name, sorted(known.names)) or "write '{ ' with a space where a brace is meant"
            raise error_at(node, f"unknown placeholder {{{name[:100]}}}", hint=hint)


class RowBeingFilled:
    """One row's names and args; `args` are the resolved ones, `parents` those that name a parent.

    `arg_files` are the files that args were read from, by the arg.

    `overrides` are values for args of the row that stand over all levels of the catalogue.
    """

    def __init__(
        self, image: str, arch: str, words: Mapping[str, str], known: Known, overrides: Mapping[str, str]
    ) -> None:
        self.image = image
        self.base: dict[str, str] = {**words, "image": image, "arch": arch}
        self.args: dict[str, str] = {}
        self.parents: dict[str, str] = {}
        self.arg_files: dict[str, str] = {}
        self.known = known
        self.overrides = overrides
        self.asked_arch = False
        self._nodes: Mapping[str, Text] = {}
        self._open: list[str] = []

    def resolve(self, nodes: Mapping[str, Text]) -> None:
        """Fill every arg. Raises ConfigurationError for cycles and for what depends on an unset arg."""
        self._nodes = nodes
        self.args = {name: node.value for name, node in nodes.items() if node.parts is None}
        self.args |= {name: value for name, value in self.overrides.items() if name in nodes}
        self.args |= {name: self._read(name, value) for name, value in self.args.items() if value.startswith("file:")}
        for name, node in nodes.items():
            if node.parts is not None:
                self._arg(name)
        if any(value.startswith(PARENT) for value in self.args.values()):
            self.parents = {k: v[len(PARENT) :] for k, v in self.args.items() if v.startswith(PARENT)}
        self.args = {name: self.args[name] for name in nodes if name not in self.parents}

    def lacking(self, names: Collection[str]) -> bool:
        """Whether one of these is not set for this row."""
        return any(name not in self.args and name not in self.base and name not in self.parents for name in names)

    def text(self, node: Text, parts: Sequence[str] | None = None) -> str:
        """The text of a node, or of some parts of it, filled. Raises ConfigurationError."""
        parts = node.parts if parts is None else parts
        if parts is None:
            assert node.text is not None
            return node.text
        filled = [self.value(part, node) if index % 2 else part for index, part in enumerate(parts)]
        if sum(map(len, filled)) > ARG_LIMIT:
            raise error_at(node, f"longer than {ARG_LIMIT:,} bytes with its placeholders filled, in {self.image}")
        return "".join(filled)

    def value(self, name: str, node: Text) -> str:
        """What a placeholder stands for. Raises ConfigurationError at `node` where it stands for nothing."""
        if (found := self.args.get(name)) is not None:
            if found.startswith(PARENT):
                raise self._parent(name, node)
            return found
        if name == "arch":
            self.asked_arch = True
        if name in self.base:
            return self.base[name]
        if name in self.parents:
            raise self._parent(name, node)
        if name in self._nodes:
            return self._arg(name)
        refuse_unknown(node, (name,), self.known)
        kind = "arg" if name in self.known.args else "axis"
        why = f"the arg {name} is not set" if kind == "arg" else f"it has no word of the axis {name!r}"
        field = node.key if isinstance(node.key, str) or isinstance(node.up, Document) else node.up.key
        hint = f"set it, or remove {field} with: {field}: ~"
        raise error_at(node, f"{{{name}}} stands for nothing in {self.image}: {why}", hint=hint)

    def _arg(self, name: str) -> str:
        node = self._nodes[name]
        if name in self.args:
            return self.args[name]
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise error_at(node, f"args of {self.image} go round in a circle: {cycle}")
        if len(self._open) >= _CHAIN_LIMIT:
            raise error_at(node, f"more than {_CHAIN_LIMIT} args of {self.image} hang on one another")
        self._open.append(name)
        value = self._read(name, self.text(node))
        self._open.pop()
        self.args[name] = value
        return value

    def _read(self, name: str, text: str) -> str:
        """The value of an arg, of which the text may name a file."""
        named = file_of_arg(text)
        if named is None:
            return text
        self.arg_files[name], line = self.known.files.line(named, self._nodes[name])
        return line

    def _parent(self, name: str, node: Text) -> ConfigurationError:
        hint = f"{name} names a parent image at {place(self._nodes[name])}; its reference is known only at the build"
        return error_at(node, f"{{{name}}} cannot be filled in", hint=hint)
