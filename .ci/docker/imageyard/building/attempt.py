"""One build of rows, whoever runs it: what is asked of the builder, how often it is run, what came of it."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from imageyard import __version__
from imageyard.builders import buildx
from imageyard.builders.request import (
    BuildInterrupted,
    BuildRequest,
    Built,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Unreachable,
)
from imageyard.building import layer_cache, source_contexts
from imageyard.building.builder import RowBuild, title_of
from imageyard.errors import BuildFailed, Denied, Transient, assert_never
from imageyard.layout import step_line
from imageyard.plan.caches import mount_namespace
from imageyard.project import labels
from imageyard.recipe.frontend import syntax_arg
from imageyard.run import last_build, leftovers

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.run.services import Services

__all__ = ["Ended", "StartBuild", "begin", "note_why", "request", "require_image", "run", "versions"]

StartBuild: TypeAlias = Callable[[BuildRequest, "Board", Path], Outcome]
"""Runs one build to its end: what is asked, what shows it, the file that keeps the raw stream."""

Ended: TypeAlias = Built | Failed | RegistryFailed | BuildInterrupted
"""What comes of a build by a builder that was there until its end."""

_NO_DEFAULT = re.compile(
    r"(?:InvalidDefaultArgInFrom: )?Default value for ARG (.+) results in empty or invalid base image"
)
"""BuildKit 0.25, frontend/dockerfile/linter/ruleset.go."""
_VARIABLE = re.compile(r"\$\{?(\w+)")
_POSITION = re.compile(r"^\[[^\]]*\] ")
"""`[2/4]`, `[tools 2/4]`: the place in the Dockerfile says it better."""


def note_why(
    project: Project, rows: Sequence[RowBuild], versions: Mapping[str, str], place: str = "in the engine"
) -> None:
    """Add to the records why rows are built, `place` being where they are not, and with which versions."""
    for row in rows:
        facts = row.facts
        why = last_build.reason(project, facts.row, facts.recipe, forced=row.run.forced, place=place)
        row.run.update(why=why, versions=versions)


@contextmanager
def begin(project: Project, services: Services, rows: Sequence[RowBuild]) -> Iterator[Path]:
    """Open the log of a build, and give a folder to stage files in; the folder goes when the context ends."""
    first = rows[0].facts
    log = _log(services, rows)
    commit = last_build.commit(project)
    for row in rows:
        row.run.update(log=str(log.relative_to(services.run.folder)), **commit)
    if first.recipe.unpinned and not first.row.image.unpinned_allowed:
        words = ", ".join(first.recipe.unpinned)
        services.reporter.warn(f"{title_of(rows)}: not pinned, and so not part of the tag: {words}")
    for base in first.recipe.unasked:
        services.reporter.warn(f"{title_of(rows)}: what ENV and ONBUILD of {base} do is not known: inv lock")
    with tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH, dir=log.parent) as staging:
        yield Path(staging)


def request(project: Project, options: BuildOptions, row: RowBuild, staging: Path) -> BuildRequest:
    """Seal a row's context in `staging`, and make the request that every builder starts from.

    Where the image goes is the builder's to say. Raises Transient where a file changed after the tag was computed.
    """
    decision, facts = options.decision, row.facts
    recipe, declared = facts.recipe, facts.declared
    cache = layer_cache.of(project.catalogue, facts.row, decision, row.run.services.provider)
    sealed = source_contexts.sealed(facts, staging)
    return BuildRequest(
        context=sealed.folder,
        dockerfile=sealed.dockerfile,
        platform=recipe.platform,
        args={**recipe.build_args, **syntax_arg(recipe.frontend), **mount_namespace(decision)},
        target=recipe.target,
        contexts=source_contexts.contexts(facts, row.parents, sealed),
        secrets=source_contexts.secrets(facts.row, project.top),
        labels=labels.of(project, facts.row, recipe),
        no_cache=decision.no_cache,
        pull=decision.pull,
        reproducible=recipe.reproducible,
        epoch=recipe.epoch,
        provenance=declared.provenance,
        sbom=declared.sbom,
        cache_from=cache.read,
        cache_to=cache.write,
        extra=options.extra,
    )


def run(services: Services, rows: Sequence[RowBuild], request: BuildRequest, start_build: StartBuild) -> Outcome:
    """Build rows from their sealed recipe, as often as `attempts` of the image allows while a step fails.

    A build whose builder went away in the middle is run again too, by whoever answers then; its commands that had
    started are run again, which `attempts` asks for. Where nobody answers any more, the build stays lost: it began, so
    no other kind of builder may take it over.

    The records get the number of attempts, and the steps of the last one. A further attempt takes what was built
    before from the cache, but in a run that reads none.
    """
    facts, log, title = rows[0].facts, _log(services, rows), title_of(rows)
    allowed = facts.row.image.attempts
    before = ""
    for attempt in range(1, allowed + 1):
        with services.reporter.board(title) as board:
            outcome = start_build(request, board, log)
        for row in rows:
            row.run.update(attempts=attempt, **_steps(outcome))
        if isinstance(outcome, Unreachable) and before:
            return Lost(f"{before}; after that {outcome.cause}")
        if not isinstance(outcome, (Failed, Lost)) or attempt == allowed:
            break
        before = _headline(outcome) if isinstance(outcome, Failed) else outcome.cause
        if log.exists():
            log.rename(log.with_suffix(f".{attempt}{log.suffix}"))
        came = "failed" if isinstance(outcome, Failed) else "was lost with its builder"
        cached = "without a cache" if request.no_cache else "with what was built before and is still there"
        services.reporter.warn(f"{title}: attempt {attempt} of {allowed} {came}: {before}; it is run again {cached}")
    return outcome


def require_image(project: Project, services: Services, rows: Sequence[RowBuild], outcome: Ended) -> Built:
    """Return the outcome of a build that made an image, and raise the error of any other.

    Raises BuildFailed with the last lines of the step that failed, Denied and Transient for a registry.
    """
    doing, row = f"building {title_of(rows)}", rows[0].facts.row
    match outcome:
        case Built(warnings=warnings):
            given = rows[0].facts.recipe.build_args
            for warning in (warning for warning in warnings if not _is_always_given(warning.text, given)):
                where = project.shown(row)
                services.reporter.annotate("warning", warning.text, where, warning.line)
            for problem in outcome.cache_problems:  # the image is there all the same
                services.reporter.warn(f"{title_of(rows)}: {problem}")
            return outcome
        case Failed() as failed:
            where = project.shown(row)
            raise BuildFailed(
                _headline(failed),
                doing=doing,
                at=f"{where}:{failed.line}" if failed.line else where,
                detail=failed.lines,
                hint=(failed.hint, *_where_to_look(failed, where)),
            )
        case RegistryFailed(denied=True, cause=cause):
            raise Denied(cause, doing=doing, hint="inv login    (the registry refused the credentials)")
        case RegistryFailed(cause=cause):
            raise Transient(cause, doing=doing, hint="run it again: the registry, not the build, failed")
        case BuildInterrupted():
            raise Transient("the build was stopped from elsewhere", doing=doing, hint="run it again")
        case _:
            assert_never(outcome)


def versions(project: Project, **more: str) -> dict[str, str]:
    """Return the versions that a record keeps, `more` among them, and buildx's."""
    known = {"imageyard": __version__, "python": platform.python_version(), **more}
    return known | {"buildx": buildx.kept_version(buildx.find(), project.state / "buildx.json")}


def _log(services: Services, rows: Sequence[RowBuild]) -> Path:
    """The log of a build is that of its first row."""
    return services.run.log_of(rows[0].facts.row.name, rows[0].facts.row.arch)


def _steps(outcome: Outcome) -> dict[str, int]:
    match outcome:
        case Built(steps=steps) | Failed(steps=steps) | RegistryFailed(steps=steps):
            return {"steps": steps.total, "cached": steps.cached}
        case Unreachable() | Lost() | BuildInterrupted():
            return {}
        case _:
            assert_never(outcome)


def _is_always_given(warning: str, given: Collection[str]) -> bool:
    """Whether BuildKit warns of the missing default of args that the catalogue always gives: it cannot know that."""
    found = _NO_DEFAULT.match(warning)
    return found is not None and all(name in given for name in _VARIABLE.findall(found[1]))


def _where_to_look(failed: Failed, dockerfile: str) -> tuple[str, ...]:
    """What to type next: only a step of the Dockerfile found something that can be looked at."""
    match failed.phase:
        case "run":
            return (f"nox -s test_dockerfile -- {dockerfile} --shell    (look at what the step found)",)
        case "resolve":
            return ("see that its name is right and that the registry has it", "inv lock --refresh    (where it moved)")
        case "export" | "cache" | "other":
            return ()
        case _:
            assert_never(failed.phase)


def _headline(failed: Failed) -> str:
    step = _POSITION.sub("", step_line(failed.step))
    if failed.exit_code is not None:
        return f"{step} ended with exit code {failed.exit_code}"
    return failed.message or f"{step} failed"
