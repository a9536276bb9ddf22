"""What every Invoke task shares: the result to stdout, the story to stderr, errors to exit codes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn, cast

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task as invoke_task

from imageyard.console import Story
from imageyard.errors import ConfigurationError, ImageyardError, Terminated, exit_code, refused_by_system
from imageyard.project.command_options import CommandOption

__all__ = ["ARCH", "CATALOGUE", "JSON", "passed_through", "task"]

CATALOGUE = "another catalogue than .ci/docker/images.yml (or IMAGEYARD_CATALOGUE)"
ARCH = "an architecture: amd64, arm64, armv7 ..."
JSON = "print JSON, for machines"


def task(
    *,
    changes: bool | str,
    instead: str = "",
    name: str | None = None,
    iterable: Sequence[str] = (),
    kept: bool = False,
    options: Sequence[CommandOption] = (),
    **help_texts: str,
) -> Callable[..., Any]:
    """An Invoke task out of a function that returns its result: text, or plain data with `--json`.

    `changes` says whether the task changes anything, or names the option with which it does; `inv --dry` refuses it
    then, and names `instead`, which says what would be done.
    The task takes `options` too; the function gets their values as keywords.
    `kept`: how it ended is in `result.json` afterwards, for a workflow that tells of it in another job. Invoke ends
    with 1 on Ctrl-C and knows neither SIGTERM nor SIGHUP; the exit codes of `errors` are kept here.
    """
    absent = {option.name: option.default for option in options}

    def decorate(function: Callable[..., object]) -> Any:
        @functools.wraps(function)  # Invoke reads the signature through it
        def run(context: Context, **typed: Any) -> None:
            if "--help" in typed.values():  # `inv TASK --help`: Invoke takes it for a positional value
                raise Exit(f"{inspect.getdoc(function)}\nSee: inv --help {_dashed(function.__name__)}", 0)
            if context.config.run.dry and (changes is True or (changes and typed.get(changes))):
                raise _as_exit(_no_dry_run(name or _dashed(function.__name__), changes, instead))
            for how in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(how) is not signal.SIG_IGN:  # nohup(1) has it ignored
                    signal.signal(how, _terminate)
            try:
                result = function(context, **{**absent, **typed})
                if result is not None:
                    Story.result(result)
                if kept:
                    _keep(typed, 0, _dashed(function.__name__))
            except ImageyardError as error:
                if kept:
                    _keep(typed, exit_code(error), error.headline)
                raise _as_exit(error) from None
            except OSError as error:
                raise _as_exit(refused_by_system(error)) from None
            except KeyboardInterrupt:
                raise Exit("interrupted", 130) from None
            except Terminated as ended:
                raise Exit("terminated", exit_code(ended)) from None

        if options:
            cast("Any", run).__signature__ = _with_options(function, options)
        helps = {**help_texts, **{option.name: option.help for option in options}}
        lists = [*iterable, *(option.name for option in options if option.kind == "list")]
        decorated = invoke_task(name=name, help=helps, iterable=lists, auto_shortflags=False)
        return decorated(run)

    return decorate


def _as_exit(error: ImageyardError) -> Exit:
    return Exit(str(error), exit_code(error))


def _no_dry_run(task_name: str, changes: bool | str, instead: str) -> ConfigurationError:
    """What a task that changes something says to `--dry`, which Invoke has for the commands that it starts itself.

    None of ours are started by Invoke: they would all be run. What a build would do depends on what registries and
    parents answer on the way, so it is not played through either: the tasks that answer such questions are named.
    """
    if isinstance(changes, str):
        return ConfigurationError(f"--dry and --{changes} contradict each other", hint=f"leave out --{changes}")
    return ConfigurationError(f"{task_name} has no dry run: nothing was done", hint=instead)


def _with_options(function: Callable[..., object], options: Sequence[CommandOption]) -> inspect.Signature:
    """Make the signature of a function as Invoke is to read it: `options` in place of its `**keywords`."""
    signature, keyword = inspect.signature(function), inspect.Parameter.KEYWORD_ONLY
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    added = [inspect.Parameter(option.name, keyword, default=option.default) for option in options]
    return signature.replace(parameters=[*own, *added])


def passed_through() -> tuple[str, ...]:
    """What stands behind a lone `--`; Invoke hands it over joined by spaces, which loses where words began."""
    return tuple(sys.argv[sys.argv.index("--") + 1 :]) if "--" in sys.argv else ()


def _keep(typed: dict[str, Any], code: int, headline: str) -> None:
    from imageyard.project.checkout import find_checkout
    from imageyard.runs import Run

    with contextlib.suppress(ImageyardError, OSError):  # what it says was told, and the exit code says the same
        Run.begin(find_checkout(typed.get("catalogue")).top).settle(code, headline)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
