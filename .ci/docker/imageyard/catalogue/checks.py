"""The checks of an image: which of its merged checks apply, with their placeholders filled."""

from __future__ import annotations

import re
from typing import NamedTuple

from imageyard.catalogue.fill import Known, RowBeingFilled, refuse_unknown
from imageyard.catalogue.kinds import PLACEHOLDER
from imageyard.catalogue.merge import Tree
from imageyard.catalogue.model import Check
from imageyard.catalogue.nodes import Seq, Text, error_at, place
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["Plans"]


class _Plan(NamedTuple):
    """A merged check, read once; `made` keeps what it became for the values of `needs`."""

    name: str
    run: Text
    words: tuple[list[str], ...]
    version: Text | None
    matches: Text | None
    present: tuple[str, ...]
    when: tuple[str, ...]
    needs: tuple[str, ...]
    made: dict[tuple[str, ...], Check]


class Plans:
    """Reads merged checks once and fills them for every row. Raises ConfigurationError throughout."""

    def __init__(self, known: Known) -> None:
        self.known = known
        # By identity: rows that change no check share one tree. The tree is kept, so that its id is not used again.
        self._read: dict[int, tuple[Tree, list[_Plan]]] = {}

    def checks(self, tree: Tree, row: RowBeingFilled) -> tuple[Check, ...]:
        """The checks that apply to a row: those that name no unset arg."""
        if id(tree) not in self._read:
            self._read[id(tree)] = (tree, [_plan(name, check, self.known) for name, check in tree.items()])
        return tuple(
            _fill(plan, row)
            for plan in self._read[id(tree)][1]
            if not row.lacking(plan.needs) and not (plan.when and all(row.lacking((name,)) for name in plan.when))
        )


def _plan(name: str, check: object, known: Known) -> _Plan:
    assert isinstance(check, dict)
    leaf = next(iter(check.values()), None)
    run = check.get("run")
    if run is None:
        if leaf is None:
            raise ConfigurationError(f"nothing is left of the check {name!r}", hint=f"remove it with: {name}: ~")
        raise error_at(leaf, f"the check {name!r} has no run", hint="run: COMMAND")
    kinds = [kind for kind in ("version", "matches", "present") if kind in check]
    if len(kinds) > 1:
        hint = f"remove one that stands below with: {kinds[0]}: ~"
        raise error_at(check[kinds[1]], f"the check {name!r} has both {kinds[0]} and {kinds[1]}", hint=hint)
    texts = [run, *(check[kind] for kind in ("version", "matches") if kind in check)]
    needs: dict[str, None] = {}
    for text in texts:
        names = [part for index, part in enumerate(text.parts or ()) if index % 2]
        refuse_unknown(text, names, known)
        needs.update(dict.fromkeys(names))
    return _Plan(
        name=name,
        run=run,
        words=_split(run),
        version=check.get("version"),
        matches=check.get("matches"),
        present=_arg_names(check.get("present"), known),
        when=_arg_names(check.get("when"), known),
        needs=tuple(needs),
        made={},
    )


def _split(run: Text) -> tuple[list[str], ...]:
    """The words of a command, each split at its placeholders: a value with a space stays within its word."""
    import shlex

    assert run.text is not None
    try:
        words = shlex.split(run.text)
    except ValueError as error:
        raise error_at(run, f"the command cannot be split into words: {str(error).lower()}") from None
    if not words or not words[0]:
        raise error_at(run, "the command is empty")
    return tuple(PLACEHOLDER.split(word) for word in words)


def _arg_names(node: object, known: Known) -> tuple[str, ...]:
    if node is None:
        return ()
    assert isinstance(node, Seq)
    names = []
    for item in node.items:
        assert isinstance(item, Text)
        assert item.text is not None
        if item.text not in known.args:
            hint = did_you_mean(item.text, sorted(known.args))
            raise error_at(item, f"no image sets the arg {item.text[:100]!r}", hint=hint)
        names.append(item.text)
    if not names:
        raise error_at(node, f"{node.key} is empty", hint="name an arg, or remove the key")
    return tuple(names)


def _fill(plan: _Plan, row: RowBeingFilled) -> Check:
    values = tuple(row.value(name, plan.run) for name in plan.needs)
    if (made := plan.made.get(values)) is not None:
        return made
    version = matches = None
    if plan.version is not None:
        version = row.text(plan.version)
        if not re.search("[0-9]", version):
            hint = f"remove the check there with: {plan.name}: ~"
            raise error_at(plan.version, f"{version[:80]!r} is not a version, in {row.image}", hint=hint)
    if plan.matches is not None:
        matches = _expression(plan.matches, row)
    made = Check(
        name=plan.name,
        run=tuple(row.text(plan.run, word) for word in plan.words),
        version=version,
        matches=matches,
        present=plan.present,
        when=plan.when,
        where=place(plan.run),
    )
    plan.made[values] = made
    return made


def _expression(node: Text, row: RowBeingFilled) -> str:
    """A regular expression in which values stand for themselves: the dot of `3.10` is a dot."""
    if node.parts is None:
        assert node.text is not None
        expression = node.text
    else:
        parts = enumerate(node.parts)
        expression = "".join(re.escape(row.value(part, node)) if index % 2 else part for index, part in parts)
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(expression)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise error_at(node, f"not a regular expression: {error}") from None
    return expression
