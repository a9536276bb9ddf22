"""Nothing is decided by the words of an error or by its exit code: that is what its class and its fields are for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

WORDS = {"headline", "detail"}
"""What an error says to people. A local name of the same spelling holds the same words."""

ASKING = {"startswith", "endswith", "find", "rfind", "index", "rindex", "count"}
MATCHING = {"match", "search", "fullmatch", "findall", "finditer"}


def is_words(node: ast.AST) -> bool:
    """Whether an expression holds the words of an error, as they are or as a part of something else."""
    return any(
        (isinstance(part, ast.Attribute) and part.attr in WORDS)
        or (isinstance(part, ast.Name) and part.id == "headline")
        for part in ast.walk(node)
    )


def is_plain_words(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in WORDS


def caught(tree: ast.AST) -> set[str]:
    """The names of errors of ours. What is caught as an HTTPError is none: its `code` is a status."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name]
    foreign = {node.name for node in handlers if node.type and "HTTPError" in ast.unparse(node.type)}
    return {"error", "cause", *(node.name for node in handlers if node.name)} - foreign


def is_exit_code(node: ast.AST, errors: set[str]) -> bool:
    """Whether an expression is the exit code of an error, by the map or by an attribute that errors do not have."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and ast.unparse(part.func).rpartition(".")[2] == "exit_code":
            return True
        if isinstance(part, ast.Attribute) and part.attr == "code":
            owner = ast.unparse(part.value)
            if owner in errors or owner.endswith((".error", ".cause")):
                return True
    return False


def decisions(tree: ast.AST) -> Iterator[str]:
    """What a module decides by words or by an exit code, with the lines."""
    errors = caught(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                if any(isinstance(op, (ast.In, ast.NotIn)) for op in ops) and any(map(is_words, others)):
                    yield f"line {node.lineno}: asks whether something is in the words of an error"
                if any(map(is_plain_words, sides)) and any(isinstance(side, ast.Constant) for side in sides):
                    yield f"line {node.lineno}: compares the words of an error"
                if any(is_exit_code(side, errors) for side in sides):
                    yield f"line {node.lineno}: compares an exit code"
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args):
                if attr in ASKING and is_words(value):
                    yield f"line {node.lineno}: .{attr} of the words of an error"
                if attr in MATCHING and any(map(is_words, args)):
                    yield f"line {node.lineno}: matches the words of an error"
                if attr == "get" and any(is_exit_code(arg, errors) for arg in args):
                    yield f"line {node.lineno}: looks something up by an exit code"
                if attr == "__subclasses__":
                    yield f"line {node.lineno}: looks for a class"
            case ast.Call(func=ast.Call(func=ast.Name(id="type"))):
                yield f"line {node.lineno}: makes another error of a class that it does not know"
            case ast.Subscript(slice=index) if is_exit_code(index, errors):
                yield f"line {node.lineno}: looks something up by an exit code"
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                asked = test.operand if isinstance(test, ast.UnaryOp) else test
                if is_plain_words(asked) or (isinstance(asked, ast.Call) and is_exit_code(asked, errors)):
                    yield f"line {node.lineno}: asks whether an error has words or an exit code"
            case ast.Match(subject=subject) if is_plain_words(subject) or is_exit_code(subject, errors):
                yield f"line {node.lineno}: matches words or an exit code"
            case ast.ClassDef(bases=[_, *_], body=body):
                for line in body:
                    bound = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", line)]
                    constant = isinstance(getattr(line, "value", None), ast.Constant)
                    if constant and any(isinstance(name, ast.Name) and name.id == "code" for name in bound):
                        yield f"line {line.lineno}: a class has an exit code of its own"


def test_nothing_is_decided_by_words_or_exit_codes(tree: ast.Module) -> None:
    assert not list(decisions(tree))


def test_the_map_of_exit_codes_is_read_in_one_place(module: str, tree: ast.Module) -> None:
    """Whoever had the map itself could look for a class by its code."""
    names = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
    names |= {alias.name for part in ast.walk(tree) if isinstance(part, ast.ImportFrom) for alias in part.names}
    assert module == "errors" or "EXIT_CODES" not in names


CAUGHT = "try:\n    work()\nexcept ImageyardError as failed:\n    {}"


@pytest.mark.parametrize(
    "code",
    [
        "'is larger than' in error.headline",
        "'(in ' not in headline",
        "'gone' in error.detail",
        "'gone' in [*error.detail, error.headline]",
        "error.headline.startswith(mirror.registry)",
        "' '.join(error.detail).endswith('x')",
        "error.headline.lower().find('x')",
        "re.match('its (parent|ancestor) ', headline)",
        "_DENIED.search(error.headline)",
        "error.headline == 'no engine'",
        "if error.detail: raise error",
        "1 if not error.detail else 2",
        "match error.headline:\n    case 'x': pass",
        "error.code == 9",
        "one.error.code in (8, 9)",
        "_OUTCOMES.get(error.code, 'blocked')",
        "_ERRORS[worst.error.code]('x')",
        CAUGHT.format("x = failed.code == 9"),
        "exit_code(error) == 9",
        "errors.exit_code(error) in (8, 9)",
        "_OUTCOMES[exit_code(error)]",
        "_OUTCOMES.get(exit_code(error))",
        "if exit_code(error): pass",
        "match exit_code(error):\n    case 9: pass",
        "next(k for k in ImageyardError.__subclasses__())",
        "raise type(error)(error.headline)",
        "class Late(ImageyardError):\n    code = 9",
        "class Late(ImageyardError):\n    code: ClassVar[int] = 9",
    ],
)
def test_what_is_refused(code: str) -> None:
    assert list(decisions(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "story.warn(f'{error.headline}; fallback')",
        "raise Absent(absent.headline, doing='mirroring') from None",
        "told != error.headline",
        "complaint = error.detail or (error.headline,)",
        "headline, _, rest = str(error).partition('\\n')",
        "error.registry == mirror.registry",
        "isinstance(error, Denied)",
        "answer.code == 0",
        "if done.code: raise ConfigurationError('git')",
        "found[1].code == before.code",
        "_OUTCOMES.get(name)",
        "try:\n    ask()\nexcept urllib.error.HTTPError as error:\n    x = error.code == 401",
        "session.error(f'[{exit_code(error)}] {error.headline}')",
        "job.end('failed', code=exit_code(error), headline=error.headline)",
        "max(errors, key=lambda error: _severity(exit_code(error)))",
        "story.detail('x')",
        "class Ended:\n    code: int = 0",
    ],
)
def test_what_is_allowed(code: str) -> None:
    assert not list(decisions(ast.parse(code)))
