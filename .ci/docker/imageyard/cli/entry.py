"""What every Invoke task shares: the result to stdout, the story to stderr, errors to exit codes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task as invoke_task

from imageyard.cli.first_word import TaskWithFirstWord
from imageyard.console import Story
from imageyard.errors import ConfigurationError, ImageyardError, Terminated, exit_code, refused_by_system
from imageyard.project.command_options import CommandOption

if TYPE_CHECKING:
    from datetime import timedelta

    from imageyard.names import Reference

__all__ = ["ARCH", "CATALOGUE", "JSON", "passed_through", "read_age", "task", "tell_images"]

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
    may_be_first: str | None = None,
    options: Sequence[CommandOption] = (),
    **help_texts: str,
) -> Callable[..., Any]:
    """An Invoke task out of a function that returns its result: text, or plain data with `--json`.

    `changes` says whether the task changes anything, or names the option with which it does; `inv --dry` refuses it
    then, and names `instead`, which says what would be done.
    `may_be_first` is an argument with a default that may be typed without its option, as one without a default is.
    The task takes `options` too; the function gets their values as keywords.
    `kept`: how it ended is in `result.json` afterwards, for a workflow that tells of it in another job. Invoke ends
    with 1 on Ctrl-C and knows neither SIGTERM nor SIGHUP; the exit codes of `errors` are kept here.
    """
    absent = {option.name: option.default for option in options}

    def decorate(function: Callable[..., object]) -> Any:
        task_name = name or function.__name__.replace("_", "-")

        @functools.wraps(function)  # Invoke reads the signature through it
        def run(context: Context, **typed: Any) -> None:
            if context.config.run.dry and (changes is True or (changes and typed.get(changes))):
                raise _as_exit(_no_dry_run(task_name, changes, instead))
            for how in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(how) is not signal.SIG_IGN:  # nohup(1) has it ignored
                    signal.signal(how, _terminate)
            with _ended_by_exit(typed if kept else None, task_name):
                result = function(context, **{**absent, **typed})
                if result is not None:
                    Story.result(result)

        if options:
            cast("Any", run).__signature__ = _with_options(function, options)
        helps = {**help_texts, **{option.name: option.help for option in options}}
        lists = [*iterable, *(option.name for option in options if option.kind == "list")]
        decorated = invoke_task(
            name=task_name, help=helps, iterable=lists, auto_shortflags=False, klass=TaskWithFirstWord
        )(run)
        decorated.may_be_first = may_be_first
        return decorated

    return decorate


@contextlib.contextmanager
def _ended_by_exit(typed: dict[str, Any] | None, task_name: str) -> Iterator[None]:
    """Raise Invoke's Exit for what ends a task; with `typed`, what was typed, how it ended is kept in `result.json`."""
    try:
        yield
        if typed is not None:
            _keep(typed, 0, task_name)
    except ImageyardError as error:
        if typed is not None:
            _keep(typed, exit_code(error), error.headline)
        raise _as_exit(error) from None
    except Exit as ended:
        if typed is not None:
            _keep(typed, ended.code or 0, f"{task_name} did not do all of it: its log says what is left")
        raise
    except OSError as error:
        raise _as_exit(refused_by_system(error)) from None
    except KeyboardInterrupt:
        raise Exit("interrupted", 130) from None
    except Terminated as ended:
        raise Exit("terminated", exit_code(ended)) from None


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


def tell_images(done: Sequence[tuple[str, Reference]], code: int) -> None:
    """Print NAME REPOSITORY@DIGEST for each, and raise Invoke's Exit where a call for many did not end with 0."""
    if done:
        Story.result("\n".join(f"{name} {reference}" for name, reference in done))
    if code:
        raise Exit(code=code)


def read_age(option: str, text: str) -> timedelta:
    """The age that an option names, as 36h or 7d. Raises ConfigurationError with the option's name."""
    from datetime import timedelta

    from imageyard.catalogue.scalars import FieldFault, duration

    try:
        return timedelta(seconds=duration(text))
    except FieldFault as fault:
        raise ConfigurationError(f"{option}: {fault.headline}", hint=fault.hint) from None


def passed_through() -> tuple[str, ...]:
    """What stands behind a lone `--`; Invoke hands it over joined by spaces, which loses where words began."""
    return tuple(sys.argv[sys.argv.index("--") + 1 :]) if "--" in sys.argv else ()


def _keep(typed: dict[str, Any], code: int, headline: str) -> None:
    from imageyard.project.checkout import find_checkout
    from imageyard.runs import Run

    with contextlib.suppress(ImageyardError, OSError):  # what it says was told, and the exit code says the same
        Run.begin(find_checkout(typed.get("catalogue")).top).settle(code, headline)


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
