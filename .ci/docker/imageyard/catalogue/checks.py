"""The checks and facts of an image: which of the merged ones apply, with their placeholders filled."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from imageyard.catalogue.expectations.kind import Fill, arg_names
from imageyard.catalogue.expectations.passes import PASSES, PassesExpected
from imageyard.catalogue.expectations.table import EXPECTATIONS
from imageyard.catalogue.fill import Known, RowBeingFilled, refuse_unknown
from imageyard.catalogue.kinds import PLACEHOLDER
from imageyard.catalogue.merge import Tree
from imageyard.catalogue.model import Check, FactCommand
from imageyard.catalogue.nodes import Text, error_at, place
from imageyard.errors import ConfigurationError

__all__ = ["Plans"]


_What: TypeAlias = Literal["check", "fact"]


class _Plan(NamedTuple):
    """A merged check or fact, read once; `made` keeps what it became for the values of `needs`.

    A fact is read as a check that expects nothing: the grammar gives it no key to expect anything with.
    """

    name: str
    run: Text
    words: tuple[list[str], ...]
    expects: Fill
    when: tuple[str, ...]
    needs: tuple[str, ...]
    made: dict[tuple[str, ...], Check]


class Plans:
    """Reads merged checks and facts once and fills them for every row. Raises ConfigurationError throughout."""

    def __init__(self, known: Known) -> None:
        self.known = known
        # By identity: rows that change no check share one tree. The tree is kept, so that its id is not used again.
        self._read: dict[int, tuple[Tree, list[_Plan]]] = {}

    def checks(self, tree: Tree, row: RowBeingFilled) -> tuple[Check, ...]:
        """The checks that apply to a row: those that name no unset arg."""
        return self._filled("check", tree, row)

    def facts(self, tree: Tree, row: RowBeingFilled) -> tuple[FactCommand, ...]:
        """The facts that apply to a row, by the same rule."""
        return tuple(FactCommand(c.name, c.run, c.when, c.where) for c in self._filled("fact", tree, row))

    def _filled(self, what: _What, tree: Tree, row: RowBeingFilled) -> tuple[Check, ...]:
        if id(tree) not in self._read:
            self._read[id(tree)] = (tree, [_plan(what, name, check, self.known) for name, check in tree.items()])
        return tuple(
            _fill(plan, row)
            for plan in self._read[id(tree)][1]
            if not row.lacking(plan.needs) and not (plan.when and all(row.lacking((name,)) for name in plan.when))
        )


def _plan(what: _What, name: str, check: object, known: Known) -> _Plan:
    assert isinstance(check, dict)
    leaf = next(iter(check.values()), None)
    run = check.get("run")
    if run is None:
        if leaf is None:
            raise ConfigurationError(f"nothing is left of the {what} {name!r}", hint=f"remove it with: {name}: ~")
        raise error_at(leaf, f"the {what} {name!r} has no run", hint="run: COMMAND")
    kinds = [key for key in EXPECTATIONS if key in check]
    if len(kinds) > 1:
        hint = f"remove one that stands below with: {kinds[0]}: ~"
        raise error_at(check[kinds[1]], f"the check {name!r} has both {kinds[0]} and {kinds[1]}", hint=hint)
    texts = [run, *(check[key] for key in kinds if isinstance(check[key], Text))]
    needs: dict[str, None] = {}
    for text in texts:
        names = [part for index, part in enumerate(text.parts or ()) if index % 2]
        refuse_unknown(text, names, known)
        needs.update(dict.fromkeys(names))
    return _Plan(
        name=name,
        run=run,
        words=_split(run),
        expects=EXPECTATIONS[kinds[0]].read(name, check[kinds[0]], known) if kinds else _passes,
        when=arg_names(check.get("when"), known),
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


def _passes(_: RowBeingFilled) -> PassesExpected:
    return PASSES


def _fill(plan: _Plan, row: RowBeingFilled) -> Check:
    values = tuple(row.value(name, plan.run) for name in plan.needs)
    if (made := plan.made.get(values)) is not None:
        return made
    expects = plan.expects(row)
    made = Check(
        name=plan.name,
        run=tuple(row.text(plan.run, word) for word in plan.words),
        expects=expects,
        when=plan.when,
        where=place(plan.run),
    )
    plan.made[values] = made
    return made
