"""Bring Imageyard into a repository, and compare it with the script that it replaces: init, parity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, JSON, task
from imageyard.console import Story

__all__ = ["TASKS"]


@task(
    changes=True,
    instead="inv init --into DIR, in a folder that is empty",
    into="the repository's top; default: here",
    copy="copy the package's folder to .ci/docker/imageyard instead of importing the installed package",
)
def init(context: Context, into: str = ".", copy: bool = False) -> None:
    """Write a noxfile, tasks and a first catalogue with one image; what is there stays as it is."""
    from imageyard.adopt.init import init as flow

    story = Story.detect()
    done = flow(Path(into), copy=copy)
    for name in done.written:
        story.step(f"wrote {name}")
    for name in done.kept:
        story.step(f"kept {name}, which was there")
    for name, text in done.add.items():
        story.step(f"add to {name}:")
        story.detail(text.rstrip())
    story.step("next: git add -A, inv list, nox -l")


@task(
    changes=False,
    may_be_first="names",
    iterable=("env", "status"),
    names="with --record: the names that the script takes, with spaces or commas between them",
    against="a file of recorded builds: the catalogue is compared with it, row by row",
    intended="a file of differences that are meant, each with its reason",
    status="compare recorded builds of this status alone; may be given several times",
    record="a script of the repository, run once for each name with a stub docker: prints the file of its builds",
    env="with --record: NAME=VALUE that the script needs; may be given several times",
    arch="with --record: the architecture of builds that name no platform; default: this machine's",
    json=JSON,
    catalogue=CATALOGUE,
)
def parity(
    context: Context,
    names: str = "",
    against: str | None = None,
    intended: str | None = None,
    status: Sequence[str] | None = None,
    record: str | None = None,
    env: Sequence[str] | None = None,
    arch: str | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Compare the catalogue's builds with those of a script, or record the script's builds to compare with."""
    from imageyard.errors import CheckFailed, ConfigurationError

    if (record is None) == (against is None):
        raise ConfigurationError(
            "give either a script to record or a file to compare with",
            hint=["inv parity --against FILE", "inv parity 'NAME NAME' --record SCRIPT > FILE"],
        )
    if record is not None:
        return _recorded(record, names, env or (), arch)
    from imageyard.adopt import intended as intended_file
    from imageyard.adopt import parity_text, recorded
    from imageyard.adopt.parity import differences, sorted_out
    from imageyard.project.project import find_project

    project = find_project(catalogue)
    builds = recorded.load(Path(str(against)))
    reasons = intended_file.load(Path(intended)) if intended else []
    found = differences(project.catalogue.rows, builds, project.catalogue.folder)
    compared = parity_text.Parity(len(builds), *sorted_out(found, reasons)).only(status or (), builds)
    Story.result(compared.plain if json else "\n".join(compared.lines))
    if compared.unintended or compared.unused:
        raise CheckFailed(
            compared.headline,
            doing=f"comparing {project.catalogue.file} with {against}",
            hint="change the catalogue, or write down why it differs: inv parity --against FILE --intended FILE",
        )
    return None


def _recorded(script: str, names: str, env: Sequence[str], arch: str | None) -> str:
    from imageyard import git
    from imageyard.adopt.recorded import as_text
    from imageyard.adopt.recording import record
    from imageyard.errors import ConfigurationError
    from imageyard.names import as_arch
    from imageyard.project.checkout import this_arch

    story = Story.detect()
    wanted = names.replace(",", " ").split()
    if not wanted:
        raise ConfigurationError("no names to record", hint=f"inv parity 'NAME NAME' --record {script} > FILE")
    for one in env:
        if "=" not in one:
            raise ConfigurationError(f"{one!r} is not NAME=VALUE", doing="reading --env")
    given = dict(one.partition("=")[::2] for one in env)
    found = record(git.top(Path()), Path(script), wanted, as_arch(arch) if arch else this_arch(), given)
    for name, code in found.failed.items():
        story.warn(f"{name}: the script ended with {code} after its build, which is recorded")
    if found.ignored:
        story.step(f"not kept, because they say how to build and not what: {', '.join(found.ignored)}")
    return as_text(found.builds, f"what {script} passes to docker build").rstrip()


TASKS = [init, parity]
