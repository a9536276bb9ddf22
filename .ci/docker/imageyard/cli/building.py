"""Build, check, clean: what needs the engine."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, SET, passed_through, task

__all__ = ["TASKS"]

HERE = f"{ARCH}; default: this machine's"
BUILDER = "local, remote or depot; default: as REMOTE_BUILDKIT says, else builders.depot in CI, else local"
ADDRESS = "a BuildKit worker, tcp://HOST:PORT, instead of the catalogue's builders.remote"
AT = "publish there: trusted or branch; default: where the run may; for remote builders outside CI branch, else nowhere"


@task(
    iterable=["set_"],
    pattern=PATTERN,
    arch=f"{ARCH}; default: this machine's, all where others build",
    builder=BUILDER,
    address=ADDRESS,
    at=AT,
    force="build although the tag is there",
    expect="fail unless this is the tag",
    set_=SET,
    catalogue=CATALOGUE,
)
def build(
    context: Context,
    pattern: str,
    arch: str | None = None,
    builder: str | None = None,
    address: str | None = None,
    at: str | None = None,
    force: bool = False,
    expect: str | None = None,
    set_: Sequence[str] | None = None,
    catalogue: str | None = None,
) -> None:
    """Build and check images; what follows a lone -- goes to docker buildx build, and the tag ends in -local."""
    from imageyard.building.row import needs_engine
    from imageyard.building.rows import build_rows
    from imageyard.ci.event import decision
    from imageyard.project.options import BuildOptions, as_builder, as_repository, assignments
    from imageyard.project.workspace import Workspace, this_arch

    workspace = Workspace.find(catalogue)
    options = BuildOptions(
        force=force,
        expect=expect,
        set_args=assignments(set_ or ()),
        extra=passed_through(),
        builder=as_builder(builder),
        address=address,
        at=as_repository(at),
        decision=decision(workspace),
    )
    arch = arch or (this_arch() if needs_engine(workspace, options) else None)
    code = build_rows(workspace, workspace.rows(pattern, arch), options)
    if code:
        raise Exit(code=code)


@task(pattern=PATTERN, arch=HERE, json=JSON, catalogue=CATALOGUE)
def check(
    context: Context, pattern: str, arch: str | None = None, json: bool = False, catalogue: str | None = None
) -> object:
    """Run the checks again in images that the engine has under their tags."""
    from imageyard.project.workspace import Workspace, this_arch
    from imageyard.queries.recheck import recheck

    workspace = Workspace.find(catalogue)
    return recheck(workspace, workspace.rows(pattern, arch or this_arch()), as_json=json)


@task(
    yes="delete; without it only what would be deleted is printed",
    all="also the images whose tags are current",
    json=JSON,
    catalogue=CATALOGUE,
)
def clean(
    context: Context, yes: bool = False, all: bool = False, json: bool = False, catalogue: str | None = None
) -> object:
    """Remove from the engine what is ours: leftovers of dead runs and images whose inputs have moved on."""
    from imageyard.keep.engine_clean import clean as flow
    from imageyard.project.workspace import Workspace

    return flow(Workspace.find(catalogue), yes=yes, everything=all, as_json=json)


TASKS = [build, check, clean]
