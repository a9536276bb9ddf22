"""The form of every module: short, described, open about what it offers, silent."""

from __future__ import annotations

import ast
from pathlib import Path

FILE_LIMIT = 300
FUNCTION_LIMIT = 60


def test_file_length(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LIMIT


def test_function_lengths(tree: ast.Module) -> None:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= FUNCTION_LIMIT]
    assert not long


def test_the_module_says_what_it_is_in_one_sentence(tree: ast.Module) -> None:
    said = ast.get_docstring(tree)
    assert said
    assert said.splitlines()[0].endswith((".", "?")), "the first line is a sentence"


def test_the_module_says_what_it_offers(tree: ast.Module) -> None:
    """One `__all__`, without repetition, of names that are there."""
    offered = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    if len(tree.body) <= 2:  # a package's docstring, and perhaps its version
        return
    assert len(offered) == 1
    assert len(set(offered[0])) == len(offered[0])
    assert set(offered[0]) <= _names(tree)


def _names(tree: ast.Module) -> set[str]:
    """Every name that the module binds at its top level."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def test_nothing_is_printed_and_no_shell_is_started(module: str, tree: ast.Module) -> None:
    """Text goes through a Story; children through `process`, as lists of arguments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in ("print", "sys.stdout.write", "sys.stderr.write"), f"{module}, line {node.lineno}"
        assert not name.startswith(("os.system", "os.popen", "os.spawn", "os.exec", "os.posix_spawn", "os.fork"))
        assert not any(keyword.arg == "shell" and ast.unparse(keyword.value) == "True" for keyword in node.keywords)


def test_the_oldest_python_can_read_it(path: Path) -> None:
    assert ast.parse(path.read_text(), feature_version=(3, 10)).body


def test_nothing_is_unfinished(path: Path) -> None:
    text = path.read_text()
    marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]
    assert not [mark for mark in marks if mark in text]


def test_no_two_public_classes_have_one_name(trees: dict[str, ast.Module]) -> None:
    """One word for one thing: who reads a name knows which class it is."""
    places: dict[str, list[str]] = {}
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}
