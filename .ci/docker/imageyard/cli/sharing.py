"""Hand over what is published: mirror, refs."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import CATALOGUE, task

__all__ = ["TASKS"]


@task(
    pattern=PATTERN,
    floating="let the tag IMAGE name what the branch stands for now; --no-floating leaves it alone",
    force="move content tags of mirrors that name another image than the trusted repository's",
    branch="the branch that floating tags follow; default: the one that is checked out, in CI that of the event",
    catalogue=CATALOGUE,
)
def mirror(
    context: Context,
    pattern: str,
    floating: bool = True,
    force: bool = False,
    branch: str | None = None,
    catalogue: str | None = None,
) -> None:
    """Copy promoted images by digest to every mirror of the catalogue; prints IMAGE REPOSITORY@DIGEST."""
    from imageyard.console import Story
    from imageyard.ship.mirror import Wanted
    from imageyard.ship.mirror import mirror as flow
    from imageyard.ship.workspace import Workspace

    workspace = Workspace.find(catalogue)
    done, code = flow(workspace, Wanted(pattern, floating, force, branch))
    if done:
        Story.result("\n".join(f"{image} {reference}" for image, reference in done))
    if code:
        raise Exit(code=code)


TASKS = [mirror]
