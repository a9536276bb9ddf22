"""`inv init`: bring Imageyard into a repository."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from imageyard.cli.entry import task
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


TASKS = [init]
