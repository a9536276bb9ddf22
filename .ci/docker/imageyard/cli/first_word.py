"""The first word behind a task: it may be a pattern that need not be there, or a request for help."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from invoke.parser.argument import Argument
from invoke.parser.context import to_flag
from invoke.tasks import Task

__all__ = ["FirstWord", "TaskWithFirstWord", "first_word"]

FirstWord: TypeAlias = Literal["word", "help", "none"]


class TaskWithFirstWord(Task[Any]):
    """A task to whose argument `may_be_first` a word without an option may be given, and which `-h` explains.

    Invoke's parser takes the word behind a task for an argument only where the task cannot do without, and then takes
    `-h` for it too (`ParseMachine.handle` of Invoke 3.0). So the command line is read before it is parsed.
    """

    may_be_first: str | None = None
    other_tasks: Collection[str] = ()

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Any]:
        """The arguments as Invoke is to parse them in this call."""
        helps = dict(self.help)
        arguments = super().get_arguments(ignore_unknown_help)
        self.help = helps  # Invoke takes each text out as it uses it
        takes_value = {to_flag(name): one.takes_value for one in arguments for name in one.names}
        first = first_word(sys.argv[1:], self.name, takes_value, self.other_tasks)
        return [self._as_parsed(argument, first) for argument in arguments]

    def _as_parsed(self, argument: Argument, first: FirstWord) -> Argument:
        if first == "help":
            argument.positional = False
        elif first == "word" and argument.name == self.may_be_first:
            argument.positional, argument.default = True, None
        return argument


def first_word(
    arguments: Sequence[str], task_name: str, takes_value: Mapping[str, bool], other_tasks: Collection[str]
) -> FirstWord:
    """What stands first behind a task besides its options, in any place of a command line that names the task.

    `takes_value` are the options of the task. The name of a task begins that task, as without this.
    """
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for place, word in enumerate(words):
        if (
            word.rpartition(".")[2] == task_name
            and (first := _behind(words[place + 1 :], takes_value, other_tasks)) != "none"
        ):
            return first
    return "none"


def _behind(words: Sequence[str], takes_value: Mapping[str, bool], other_tasks: Collection[str]) -> FirstWord:
    rest = iter(words)
    for word in rest:
        if word in ("-h", "--help"):
            return "help"
        if takes_value.get(word):
            next(rest, None)
        elif not word.startswith("-"):
            return "none" if word in other_tasks else "word"
    return "none"
