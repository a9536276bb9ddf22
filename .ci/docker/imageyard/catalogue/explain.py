"""`inv explain`: a name as a sentence, and for everything it stands for the line that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from imageyard.catalogue.expand import Expansion, open_catalogue
from imageyard.catalogue.expectations.table import EXPECTATIONS
from imageyard.catalogue.kinds import PLACEHOLDER
from imageyard.catalogue.merge import Tree
from imageyard.catalogue.model import Check, FactCommand, Row, Runner, Where
from imageyard.catalogue.nodes import Seq, Text, place
from imageyard.catalogue.sentence import Level, Sentence
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["as_data", "explain", "explain_data", "history"]

_Path = tuple[str, ...]


class Step(NamedTuple):
    """One level that set a value, or with None removed it."""

    level: str
    text: str | None
    where: Where


def explain(path: Path, top: Path, image: str) -> str:
    """What an image of the catalogue at `path` stands for, as text. Raises ConfigurationError for an unknown one."""
    from imageyard.catalogue.explain_text import as_text

    return as_text(explain_data(path, top, image))


def explain_data(path: Path, top: Path, image: str) -> dict[str, Any]:
    """The same as plain values, for JSON."""
    return as_data(open_catalogue(path, top), image)


def as_data(expansion: Expansion, image: str) -> dict[str, Any]:
    """The explanation of one image as plain values. Raises ConfigurationError for an unknown one."""
    sentence = expansion.sentences.get(image)
    if sentence is None:
        hint = did_you_mean(image, expansion.sentences) or "see all of them with: inv list"
        raise ConfigurationError(f"no image is called {image[:120]!r}", at=expansion.catalogue.file, hint=hint)
    rows = [row for row in expansion.catalogue.rows if row.name == image]
    return {
        "image": image,
        "family": sentence.family,
        "pattern": sentence.key,
        "where": str(sentence.where()),
        "words": [
            {
                "word": word.name,
                "axis": word.axis,
                "where": str(place(word.node, word.key)),
                "args": {name: node.text for name, node in word.args.items()},
            }
            for word in sentence.words
        ],
        "rows": [_row(sentence, row) for row in rows],
    }


def _row(sentence: Sentence, row: Row) -> dict[str, Any]:
    steps = history(sentence, row.arch)
    args = {path[1]: _steps(done) for path, done in steps.items() if path[0] == "args"}
    commands: dict[str, dict[str, dict[str, list[Step]]]] = {"checks": {}, "facts": {}}
    for path, done in steps.items():
        if path[0] in commands and len(path) == 3:
            commands[path[0]].setdefault(path[1], {})[path[2]] = done
    return {
        "arch": row.arch,
        "args": [
            {
                "name": name,
                "value": row.args.get(name),
                "parent": row.image.parents.get(name),
                "set": done,
            }
            for name, done in args.items()
        ],
        "checks": [_check(name, parts, row) for name, parts in commands["checks"].items()],
        "facts": [_fact(name, parts, row) for name, parts in commands["facts"].items()],
        "fields": [
            {"name": ".".join(path), "value": _value(row, path, done), "set": _steps(done)}
            for path, done in steps.items()
            if path[0] not in ("args", *commands)
        ],
    }


def _steps(steps: list[Step]) -> list[dict[str, Any]]:
    return [{"level": step.level, "text": step.text, "where": str(step.where)} for step in steps]


def _value(row: Row, path: _Path, steps: list[Step]) -> Any:
    """A field's value, its placeholders filled; for what is deeper the text that was written."""
    if len(path) > 1:
        maps: dict[str, Mapping[str, str]] = {"contexts": row.image.contexts, "files": row.image.files}
        return maps[path[0]].get(path[1]) if path[0] in maps else steps[-1].text
    if steps[-1].text is None or not PLACEHOLDER.search(steps[-1].text):
        return steps[-1].text
    filled = getattr(row.image, path[0])
    if isinstance(filled, Runner):
        return filled.plain
    return list(filled) if isinstance(filled, tuple) else filled


def _check(name: str, parts: Mapping[str, list[Step]], row: Row) -> dict[str, Any]:
    made = next((check for check in row.image.checks if check.name == name), None)
    texts = _texts(parts)
    expected = {key: kind.unfilled(None if made else texts.get(key)) for key, kind in EXPECTATIONS.items()}
    return _command(name, parts, row, made, {**expected, **(made.expects.keys if made else {})})


def _fact(name: str, parts: Mapping[str, list[Step]], row: Row) -> dict[str, Any]:
    return _command(name, parts, row, next((fact for fact in row.image.facts if fact.name == name), None), {})


def _command(
    name: str,
    parts: Mapping[str, list[Step]],
    row: Row,
    made: Check | FactCommand | None,
    expected: Mapping[str, object],
) -> dict[str, Any]:
    """A check or a fact as plain values; `expected` are the keys that only a check has."""
    texts, why = _texts(parts), None
    if made is None:
        why = _why_not(texts, row) if "run" in texts else "it is removed"
    return {
        "name": name,
        "applies": made is not None,
        "why": why,
        "run": list(made.run) if made else texts.get("run"),
        **expected,
        "when": list(made.when) if made else [],
        "set": {key: _steps(steps) for key, steps in parts.items()},
    }


def _texts(parts: Mapping[str, list[Step]]) -> dict[str, str]:
    return {key: steps[-1].text for key, steps in parts.items() if steps[-1].text is not None}


def _why_not(texts: Mapping[str, str], row: Row) -> str:
    image = row.image
    named = dict.fromkeys(name for key in ("run", *EXPECTATIONS) for name in PLACEHOLDER.findall(texts.get(key, "")))
    unset = [name for name in named if name not in image.args and name not in image.parents and name.isupper()]
    if unset:
        return f"{', '.join(unset)} is not set"
    if "when" in texts:
        return f"none of {texts['when']} is set"
    return f"no word for {', '.join(named)}"


def history(sentence: Sentence, arch: str) -> dict[_Path, list[Step]]:
    """For each value of a row, by path (`args`, NAME), the levels that set or removed it, lowest first."""
    found: dict[_Path, list[Step]] = {}
    for label, tree in _levels(sentence, arch):
        for path, node in _leaves(tree, ()):
            if isinstance(node, Text) and node.text is None:
                for known, steps in found.items():
                    if known[: len(path)] == path and steps[-1].text is not None:
                        steps.append(Step(label, None, place(node)))
            else:
                for known, steps in found.items():  # a map over one value, or one value over a map
                    shorter = min(len(known), len(path))
                    if known != path and known[:shorter] == path[:shorter] and steps[-1].text is not None:
                        steps.append(Step(label, None, place(node)))
                found.setdefault(path, []).append(Step(label, _text(node), place(node)))
    return found


def _levels(sentence: Sentence, arch: str) -> Iterator[tuple[str, Tree]]:
    levels = (sentence.defaults, sentence.of_family, sentence.of_name)
    yield sentence.defaults.label, _whole(sentence.defaults)
    for word in sentence.words:
        yield f"word {word.name}", {"args": dict(word.args)}
    for level in levels[1:]:
        yield level.label, _whole(level)
    for level in levels:
        if own := level.per_arch.get(arch):
            yield own.label, _whole(own)


def _whole(level: Level) -> Tree:
    if level.args is None:
        return {**level.fields, "args": level.removal} if level.removal else level.fields
    return {**level.fields, "args": dict(level.args)} if level.args else level.fields


def _leaves(tree: Tree, path: _Path) -> Iterator[tuple[_Path, Text | Seq]]:
    for key, node in tree.items():
        if isinstance(node, dict):
            yield from _leaves(node, (*path, key))
        else:
            yield (*path, key), node


def _text(node: Text | Seq) -> str:
    if isinstance(node, Seq):
        return f"[{', '.join(str(item.text) for item in node.items if isinstance(item, Text))}]"
    return str(node.text)
