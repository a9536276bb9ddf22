"""Copies in a bucket: backup, recover, recover-generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import CATALOGUE, task, tell_images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.keep.recover import Recovery
    from imageyard.project.project import Project

__all__ = ["TASKS"]

TO = "where images come back to: registry (the trusted repository), engine or layout:PATH (an OCI layout)"
JOBS = "how many images are copied at once"


@task(
    changes=True,
    kept=True,
    instead="inv backup --expire, or inv refs PATTERN --existing: what would be copied",
    may_be_first="pattern",
    pattern=f"{PATTERN}; default: all",
    j=JOBS,
    verify="hash all that the bucket holds anew, and list what could not come back",
    repair="with --verify: write what is damaged anew, from the registry",
    expire="list the backups whose lifetime is over, and what only they need",
    yes="with --expire: delete it",
    catalogue=CATALOGUE,
)
def backup(
    context: Context,
    pattern: str = "*",
    j: int = 4,
    verify: bool = False,
    repair: bool = False,
    expire: bool = False,
    yes: bool = False,
    catalogue: str | None = None,
) -> None:
    """Copy published images to the catalogue's bucket by digest, with all that refers to them."""
    from imageyard.errors import ConfigurationError
    from imageyard.keep import backup as flow
    from imageyard.keep.backup_expiry import expire as expire_flow
    from imageyard.keep.backup_place import backup_place
    from imageyard.keep.backup_verify import verify as verify_flow
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    if (verify and expire) or (yes and not expire) or (repair and not verify):
        raise ConfigurationError(
            "--yes belongs to --expire, --repair to --verify, and these two to no other", hint="inv --help backup"
        )
    project = find_project(catalogue)
    services = begin(project)
    place = backup_place(project.catalogue, services)
    if verify:
        verify_flow(services, place.bucket, jobs=j, mend=repair)
    elif expire:
        expire_flow(services, place, yes=yes)
    else:
        tell_images(*flow.backup(project, recipes_of(project), services, place.bucket, pattern, jobs=j))


@task(
    changes="yes",
    pattern=PATTERN,
    to=TO,
    j=JOBS,
    yes="bring them back; without it only what would come back is printed",
    catalogue=CATALOGUE,
)
def recover(
    context: Context,
    pattern: str,
    to: str = "registry",
    j: int = 8,
    yes: bool = False,
    catalogue: str | None = None,
) -> None:
    """Bring back the images of a pattern, as this checkout names them, from the catalogue's bucket."""
    from imageyard.keep.recover import Recovery, entries_of_pattern
    from imageyard.project.recipes import recipes_of

    _bring_back(
        catalogue,
        lambda project, bucket: entries_of_pattern(project, recipes_of(project), bucket, pattern),
        Recovery(to, j, yes),
    )


@task(
    changes="yes",
    generation="a commit, all 40 digits of it, or a week: 2026-W48",
    to=TO,
    j=JOBS,
    yes="bring them back; without it only what would come back is printed",
    catalogue=CATALOGUE,
)
def recover_generation(
    context: Context,
    generation: str,
    to: str = "registry",
    j: int = 8,
    yes: bool = False,
    catalogue: str | None = None,
) -> None:
    """Bring back all images that were backed up at a commit, or in a week, from the catalogue's bucket."""
    from imageyard.keep.recover import Recovery, entries_of_generation

    _bring_back(catalogue, lambda _, bucket: entries_of_generation(bucket, generation), Recovery(to, j, yes))


def _bring_back(
    catalogue: str | None, entries: Callable[[Project, Bucket], Sequence[TagEntry]], wanted: Recovery
) -> None:
    from imageyard.keep.backup_place import backup_place
    from imageyard.keep.recover import recover as flow
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    services = begin(project)
    bucket = backup_place(project.catalogue, services).bucket
    tell_images(*flow(project, services, bucket, entries(project, bucket), wanted))


TASKS = [backup, recover, recover_generation]
