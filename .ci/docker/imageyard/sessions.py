"""The Nox face: the matrix. A session parses, calls one flow, and tells Nox how it ended."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

import nox

from imageyard.catalogue.suggest import did_you_mean, nearest
from imageyard.console import Story, guard_log
from imageyard.errors import ConfigurationError, ImageyardError, assert_never, exit_code, refused_by_system
from imageyard.nox_call import NoxCall
from imageyard.project.checkout import find_checkout
from imageyard.project.command_options import BUILD_OPTIONS, CommandOption
from imageyard.project.row_list import row_list
from imageyard.runs import Run

if TYPE_CHECKING:
    from imageyard.catalogue.listing import Listed

__all__ = ["register"]

_STACK_WORDS = ("start", "status", "stop")


def register(catalogue: str | None = None) -> None:
    """Register the sessions of the catalogue; `catalogue` is for another place than `.ci/docker/images.yml`.

    Reads the catalogue and nothing else: no Dockerfile, no git, no engine, no registry. Ends the program with the
    error's code where the catalogue cannot be read, because Nox would print a traceback.
    """
    guard_log()
    try:
        checkout = find_checkout(catalogue)
        rows = row_list(checkout)
    except ImageyardError as error:
        _tell(error)
        sys.exit(exit_code(error))
    for library in ("urllib3", "botocore", "boto3"):  # Nox prints the debug log of every library
        logging.getLogger(library).setLevel(logging.WARNING)
    # Nox looks for uv before each session, whichever backend that is to use, and says where there is none
    # (nox.virtualenv.get_virtualenv, 2026.8). A backend that is asked for and absent is an error of its own.
    logging.getLogger("nox").addFilter(lambda record: record.msg != "uv binary not found.")
    call = NoxCall(checkout, Run.begin(checkout.top))
    if call.run.owner:  # not in the workers of `nox -j`, which inherit it
        atexit.register(_finish, call)
    for how in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(how) is not signal.SIG_IGN:  # nohup(1) has it ignored
            signal.signal(how, signal.default_int_handler)  # Nox ends its children on an interrupt only
    _register_rows(call, rows)
    _register_dockerfile(call)
    _register_plan(call)
    _register_merge(call)
    _register_shell(call)
    _register_stack(call)


def _register_rows(call: NoxCall, rows: Sequence[Listed]) -> None:
    @nox.session(default=False, venv_backend="none", allow_parallel=True)
    @nox.parametrize("arch,image", [nox.param(r.arch, r.name, tags=[r.arch, r.family, *r.tags]) for r in rows])
    def build_image(session: nox.Session, arch: str, image: str) -> None:
        """Build and check one image; see `-- --help`."""
        parser = _parser("build_image")
        for option in BUILD_OPTIONS:
            _add(parser, option)
        with _told_to_nox(call, session):
            from imageyard.building.row import build_row
            from imageyard.ci.event import decision
            from imageyard.project.options import PLANNED, assignments, build_options, refuse_unused

            options = parser.read(session.posargs)
            project, decided = call.project, decision(call.project)
            row, values = project.row(image, arch), assignments(options.set)
            recipes = call.recipes(values, decided)
            refuse_unused(recipes, [row, *project.rows("*", arch)], values)  # an umbrella's arguments reach all
            planned = os.environ.get(PLANNED) == "true"
            asked = build_options(vars(options), values, decided, planned=planned)
            done, recipes = build_row(project, recipes, call.services, row, asked)
            call.keep(recipes, values, decided)
        if done.outcome == "skipped":
            session.skip(done.why)

    def everything(session: nox.Session) -> None:
        """Build and check every image of one architecture."""

    for arch in dict.fromkeys(row.arch for row in rows):
        nox.session(
            name=f"build_image(arch={arch!r})",
            default=False,
            venv_backend="none",
            allow_parallel=True,
            requires=[f"build_image(arch={arch!r}, image={row.name!r})" for row in rows if row.arch == arch],
        )(everything)


def _register_dockerfile(call: NoxCall) -> None:
    @nox.session(default=False, venv_backend="none")
    def test_dockerfile(session: nox.Session) -> None:
        """Build and check the first image that uses a Dockerfile or script: `-- FILE [--shell]`."""
        parser = _parser("test_dockerfile")
        parser.add_argument("file", help="a Dockerfile or a file that one copies")
        parser.add_argument("--shell", action="store_true", help="a shell in the image, or in what a failed step found")
        with _told_to_nox(call, session):
            from imageyard.workbench.test_dockerfile import test_dockerfile as flow

            options = parser.read(session.posargs)
            flow(call.project, call.recipes(), call.services, options.file, shell=options.shell)


def _register_plan(call: NoxCall) -> None:
    @nox.session(default=False, venv_backend="none")
    def plan(session: nox.Session) -> None:
        """Print what has to be built, and why: `-- [PATTERN] [--offline] [--at PLACE]`; `inv plan` is for machines."""
        parser = _parser("plan")
        parser.add_argument("pattern", nargs="?", default="*", help="an image, or a pattern")
        parser.add_argument("--offline", action="store_true", help="ask no place")
        parser.add_argument("--at", default="engine", help="engine, trusted or branch (the catalogue's repositories)")
        parser.add_argument("--changed-since", metavar="REV", help="say what changed since a revision")
        with _told_to_nox(call, session):
            from imageyard.queries import plan as flow

            options = parser.read(session.posargs)
            asked = flow.Asked(options.pattern, None, None if options.offline else options.at, options.changed_since)
            actions = flow.plan(call.project, call.recipes(), call.services, asked)
            Story.result(flow.rendered(call.project.catalogue, actions, as_json=False))
            flow.check(actions)


def _register_merge(call: NoxCall) -> None:
    @nox.session(default=False, venv_backend="none")
    def merge_image(session: nox.Session) -> None:
        """Give an image its tag over its published rows: `-- IMAGE [--at branch]`."""
        parser = _parser("merge_image")
        parser.add_argument("image", help="the image's name")
        parser.add_argument("--at", help="trusted or branch (the catalogue's repositories)")
        parser.add_argument("--force", action="store_true", help="move the tag where it holds other images")
        with _told_to_nox(call, session):
            from imageyard.ci.event import decision
            from imageyard.project.options import as_repository
            from imageyard.publishing.promote import promote

            options = parser.parse_args(session.posargs)
            at, decided = as_repository(options.at), decision(call.project)
            recipes = call.recipes(decision=decided)
            reference = promote(
                call.project, recipes, call.services, options.image, at, force=options.force, decision=decided
            )
            Story.result(str(reference))


def _register_shell(call: NoxCall) -> None:
    @nox.session(default=False, venv_backend="none")
    def shell(session: nox.Session) -> None:
        """Open a shell in the image that CI made, pulled or built: `-- IMAGE [--arch A] [--print] [COMMAND...]`."""
        parser = _parser("shell")
        parser.add_argument("image", help="the image's name; what follows it is a command to run instead of a shell")
        parser.add_argument("--arch", help="an architecture: amd64, arm64, armv7 ...; this machine's unless told")
        parser.add_argument("--print", action="store_true", help="only bring it into the engine, and print its name")
        with _told_to_nox(call, session):
            from imageyard.workbench import shell as flow

            own, command = flow.split(session.posargs)
            options = parser.read(own)
            if options.print:
                row = flow.row_of(call.project, options.image, options.arch)
                Story.result(flow.bring(call.project, call.recipes(), call.services, row))
                return
            code = flow.shell(call.project, call.recipes(), call.services, options.image, options.arch, command)
        if command and code:
            session.error(f"{command[0]} ended with exit code {code}")


def _register_stack(call: NoxCall) -> None:
    @nox.session(default=False, venv_backend="none")
    def install_stack(session: nox.Session) -> None:
        """Print and run what installs an engine, buildx, a registry and emulators (Debian, Ubuntu; root)."""
        with _told_to_nox(call, session):
            from imageyard.stack.install import install_stack as flow

            flow(call.reporter)

    @nox.session(default=False, venv_backend="none")
    def local_stack(session: nox.Session) -> None:
        """Use the engine that is there or start one, with a registry and base images; `-- status`, `-- stop`."""
        parser = _parser("local_stack")
        parser.add_argument("what", nargs="?", type=_stack_word, default="start", help=", ".join(_STACK_WORDS))
        parser.add_argument("--purge", action="store_true", help="with stop: forget images and bases too")
        with _told_to_nox(call, session):
            from imageyard.workbench.local_stack import local_stack as flow

            options = parser.read(_own(session.posargs))
            flow(call.project.catalogue, call.recipes, call.reporter, options.what, purge=options.purge)


@contextlib.contextmanager
def _told_to_nox(call: NoxCall, session: nox.Session) -> Iterator[None]:
    """Nox ends with 0 or 1 whatever we say: our code travels in the reason and in `result.json`.

    `nox --install-only` prepares environments and runs nothing. Our sessions have none, so there is nothing to do.
    """
    if session._runner.global_config.install_only:  # Nox asks itself this way, in `session.run`
        session.skip("--install-only is set")
    try:
        try:
            yield
        except OSError as error:
            raise refused_by_system(error) from None
    except ImageyardError as error:
        _tell(error)
        with contextlib.suppress(ImageyardError):  # where no record can be kept, that was told
            call.run.fail(error)
        session.error(f"[{exit_code(error)}] {error.headline}")  # any other exception would print a traceback


def _tell(error: ImageyardError) -> None:
    Story.detect().error(error)


def _finish(call: NoxCall) -> None:
    """The table, at exit: an umbrella session is aborted when a row failed, and `-j` runs rows in other processes."""
    if call.run.owner and call.run.folder.exists():
        from imageyard.run.leftovers import finish

        finish(call.project, call.services)


class _Parser(argparse.ArgumentParser):
    """A parser for what follows `--`, whose complaints are our errors: argparse would end Nox, and all its sessions."""

    def read(self, posargs: Sequence[str]) -> argparse.Namespace:
        """The options; raises ConfigurationError for one that is not known."""
        options, unknown = self.parse_known_args(posargs)
        if unknown:
            self.error(f"{unknown[0]} is not known here", did_you_mean(unknown[0], self._option_string_actions))
        return options

    def error(self, message: str, *hints: str) -> NoReturn:
        raise ConfigurationError(
            message, doing=f"reading what follows {self.prog}", hint=[*hints, f"{self.prog} --help"]
        )


def _parser(session: str) -> _Parser:
    return _Parser(prog=f"nox -s {session} --", allow_abbrev=False)


def _add(parser: _Parser, option: CommandOption) -> None:
    """Let a parser read one option of the table that Invoke is given too."""
    name, text = f"--{option.name}", option.session_help
    match option.kind:
        case "flag":
            parser.add_argument(name, action="store_true", help=text)
        case "text":
            parser.add_argument(name, metavar=option.metavar, help=text)
        case "list":
            parser.add_argument(name, metavar=option.metavar, action="append", default=[], help=text)
        case _:
            assert_never(option.kind)


def _stack_word(word: str) -> str:
    if word in _STACK_WORDS:
        return word
    raise ConfigurationError(f"local_stack does not know {word!r}", hint=did_you_mean(word, _STACK_WORDS))


def _own(posargs: Sequence[str]) -> Sequence[str]:
    """What of the arguments is for `local_stack`: all if the first is a word of its, or close to one; else nothing.

    Nox hands the arguments of a call to every session in it, and this one is often called with others.
    """
    first = next(iter(posargs), "")
    return posargs if nearest(first, _STACK_WORDS, cutoff=0.6) or first in ("-h", "--help") else []
