"""Only `ci/providers/github` has GitHub's words: its variables, addresses and events, the commands in its log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

WORDS = re.compile(
    r"GITHUB_|github\.com|githubusercontent|ACTIONS_|RUNNER_|::(group|endgroup|error|add-mask)"
    r"|\b(workflow_(dispatch|run|call)|repository_dispatch|pull_request(_target)?|merge_group)\b"
)
"""`push` and `schedule` are events of GitHub too, and words of everybody's."""

HOME = "ci.providers.github"

ALLOWED = {
    "builders.depot_request": "the program `depot` takes its token from GitHub's variables by itself",
    "recipe.dockerfile.references": "BuildKit takes `github.com/` for the address of a repository",
    "registry.vendors.ghcr": "the registry is GitHub's",
    "registry.vendors.ghcr_packages": "the registry is GitHub's",
    "cli.caching": "the help text names the variable that a person sets",
}
"""Modules that have such a word by right, and why."""


ASKED_BY_NAME = {
    "ci.providers.logs": "the table of logs",
    "ci.providers.table": "the table of providers",
}
"""Modules that import GitHub's by name, and why; all others ask a Provider."""


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
    "code",
    [
        "x = env['GITHUB_REF']",
        "f'::error {x}'",
        "f'https://github.com/{y}'",
        "x = 'RUNNER_TEMP'",
        "x == 'pull_request'",
        "kinds = {'workflow_dispatch': 1}",
    ],
)
def test_the_rule_finds_a_word(code: str) -> None:
    assert list(words(ast.parse(code)))


def test_the_rule_lets_a_docstring_pass() -> None:
    assert not list(words(ast.parse('"""GITHUB_REF is not read."""')))


def asks_github(tree: ast.Module) -> bool:
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return any(f"{name}.".startswith(f"imageyard.{HOME}.") for name in names)


def test_a_provider_is_asked_by_its_protocol(module: str, tree: ast.Module) -> None:
    if not f"{module}.".startswith(f"{HOME}.") and module not in ASKED_BY_NAME:
        assert not asks_github(tree), f"{module} names a provider: take the one of Services"


@pytest.mark.parametrize("name", sorted(ASKED_BY_NAME))
def test_no_module_is_excused_for_nothing(name: str, trees: dict[str, ast.Module]) -> None:
    assert asks_github(trees[name]), f"{name} asks no provider by name any more: take it off the list"
