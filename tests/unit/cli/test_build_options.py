"""One table of options for `inv build` and the session `build_image`, and one way from it to a build."""

from __future__ import annotations

from typing import Any

import pytest
from imageyard.cli.building import build
from imageyard.cli.entry import task
from imageyard.errors import ConfigurationError
from imageyard.plan.decision import LOCAL
from imageyard.project.command_options import BUILD_OPTIONS, CommandOption
from imageyard.project.options import BuildOptions, build_options
from imageyard.sessions import _add, _parser
from invoke.context import Context

NOTHING = {"force": False, "expect": None, "set": [], "builder": None, "address": None, "at": None}
LINE = ["--force", "--expect=T", "--set=A=1", "--set=B=2", "--builder=remote", "--address=tcp://h:1", "--at=branch"]
TYPED = {
    "force": True, "expect": "T", "set": ["A=1", "B=2"], "builder": "remote", "address": "tcp://h:1", "at": "branch",
}  # fmt: skip


def parsed(*posargs: str) -> dict[str, Any]:
    parser = _parser("build_image")
    for option in BUILD_OPTIONS:
        _add(parser, option)
    return vars(parser.read(posargs))


def test_a_session_takes_each_option() -> None:
    assert parsed() == NOTHING
    assert parsed(*LINE) == TYPED


def test_the_task_takes_each_option_and_its_own() -> None:
    arguments = {argument.name: argument for argument in build.get_arguments()}
    assert arguments.keys() == {"pattern", "arch", "catalogue", *NOTHING}
    for option in BUILD_OPTIONS:
        argument = arguments[option.name]
        assert argument.kind is {"flag": bool, "text": str, "list": list}[option.kind]
        assert argument.help == option.help
        assert not argument.positional
    assert arguments["pattern"].positional


def test_options_that_are_not_typed_have_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may be called by another one, which names what it needs."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    given: list[dict[str, Any]] = []

    options = [CommandOption("yes", "flag", "", ""), CommandOption("name", "text", "", "")]

    @task(changes=False, options=options, what="what")
    def taking(context: Context, what: str, **typed: Any) -> None:
        given.append({"what": what, **typed})

    taking(Context(), what="a", name="n")
    assert given == [{"what": "a", "yes": False, "name": "n"}]


def test_a_build_has_what_was_typed() -> None:
    assert build_options(NOTHING, {}, LOCAL) == BuildOptions()
    made = build_options(TYPED, {"A": "1"}, LOCAL, extra=["--no-cache"], planned=True)
    assert made == BuildOptions(
        force=True,
        expect="T",
        set_args={"A": "1"},
        extra=("--no-cache",),
        builder="remote",
        address="tcp://h:1",
        at="branch",
        planned=True,
    )


@pytest.mark.parametrize("name", ["builder", "at"])
def test_a_word_that_there_is_none_of(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown (builder|repository) 'x'"):
        build_options({**NOTHING, name: "x"}, {}, LOCAL)
