"""Only `ci/providers/github` has GitHub's words: its variables, its addresses, the commands in its log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

WORDS = re.compile(r"GITHUB_|github\.com|githubusercontent|ACTIONS_|RUNNER_|::(group|endgroup|error|add-mask)")

HOME = "ci.providers.github"

ALLOWED = {
    "builders.depot_request": "the program `depot` takes its token from GitHub's variables by itself",
    "recipe.dockerfile.references": "BuildKit takes `github.com/` for the address of a repository",
    "registry.vendors.ghcr": "the registry is GitHub's",
    "cli.caching": "the help text names the variable that a person sets",
}
"""Modules that have such a word by right, and why."""


def words(tree: ast.Module) -> Iterator[str]:
    """Every text of the code with such a word; docstrings and comments may say what they like."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from (f"line {node.lineno}: {match[0]}" for match in WORDS.finditer(node.value))


def test_the_words_of_github_have_one_place(module: str, tree: ast.Module) -> None:
    if not f"{module}.".startswith(f"{HOME}.") and module not in ALLOWED:
        assert not list(words(tree)), f"{module}: ask {HOME} for it"


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_exception_is_left_over(name: str, trees: dict[str, ast.Module]) -> None:
    assert list(words(trees[name])), f"{name} has none of these words any more: take it off the list"


def test_the_one_place_has_them(trees: dict[str, ast.Module]) -> None:
    assert any(list(words(tree)) for name, tree in trees.items() if name.startswith(HOME))


@pytest.mark.parametrize(
    "code", ["x = env['GITHUB_REF']", "f'::error {x}'", "f'https://github.com/{y}'", "x = 'RUNNER_TEMP'"]
)
def test_the_rule_finds_a_word(code: str) -> None:
    assert list(words(ast.parse(code)))


def test_the_rule_lets_a_docstring_pass() -> None:
    assert not list(words(ast.parse('"""GITHUB_REF is not read."""')))
