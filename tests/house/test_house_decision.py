"""Only `plan/decision` and `plan/trust` know the words of a decision: everybody else asks a `Decision` by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

OWNERS = ("plan.decision", "plan.trust")

FIELDS = {"trust", "builds", "tags", "push"}


def judged(tree: ast.Module) -> Iterator[str]:
    """Every place where code compares a field of a decision, matches it, or asks whether it is there."""
    for node in ast.walk(tree):
        fields = FIELDS
        match node:
            case ast.Compare():
                asked = [node.left, *node.comparators]
            case ast.Match():
                asked = [node.subject]
            case ast.If() | ast.IfExp() | ast.While():
                asked = [node.test]
            case ast.UnaryOp(op=ast.Not()):
                asked = [node.operand]
            case ast.BoolOp(op=ast.And()):
                asked = node.values[:-1]
            case _:
                continue
        if not isinstance(node, (ast.Compare, ast.Match)):
            fields = {"push"}  # the only one that may be missing
        for part in asked:
            if isinstance(part, ast.Attribute) and part.attr in fields:
                yield f"line {part.lineno}: {ast.unparse(part)}"


def test_a_decision_is_asked_by_name(module: str, tree: ast.Module) -> None:
    if module not in OWNERS:
        assert not list(judged(tree)), f"{module}: give Decision a property with a name for it"


@pytest.mark.parametrize(
    "code",
    [
        "decision.trust == 'local'",
        "'weekly' != options.decision.tags",
        "decision.builds in ('all', 'asked')",
        "decision.push is None",
        "x if decision.push else y",
        "decision.push and other",
        "not decision.push",
        "match decision.tags:\n    case 'content': pass",
    ],
)
def test_the_rule_finds_a_comparison(code: str) -> None:
    assert list(judged(ast.parse(code)))


@pytest.mark.parametrize("code", ["decision.push or ''", "decision.is_local", "f(decision.push)"])
def test_the_rule_lets_values_pass(code: str) -> None:
    assert not list(judged(ast.parse(code)))


def test_the_owners_compare(trees: dict[str, ast.Module]) -> None:
    assert all(any(judged(trees[name])) for name in OWNERS)
