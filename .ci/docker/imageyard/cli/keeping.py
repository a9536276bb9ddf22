"""What is kept of what is published, the page that shows it, and what must not be used: retain, page, revoke."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, JSON, task, tell_images
from imageyard.errors import exit_code

__all__ = ["TASKS"]


@task(
    changes="yes",
    yes="delete; without it only what would be deleted is printed",
    report="the file that gets the report, every manifest with its reason, as JSON",
    most="how many manifests of a repository may go; default: the catalogue's, else 500",
    share="which part of a repository may go, in percent; default: the catalogue's, else 50",
    as_ecr_policy="print the nearest lifecycle policy for ECR and what it cannot say, and do nothing",
    json=JSON,
    catalogue=CATALOGUE,
)
def retain(
    context: Context,
    yes: bool = False,
    report: str | None = None,
    most: str | None = None,
    share: str | None = None,
    as_ecr_policy: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Delete images that no rule of the catalogue keeps, from all its repositories; a dry run without --yes."""
    from pathlib import Path

    from imageyard.errors import ConfigurationError
    from imageyard.keep import retain as retaining
    from imageyard.keep.retention_ecr import ecr_policies
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    if as_ecr_policy:
        return ecr_policies(project.catalogue)
    for name, text, limit in (("--most", most, 10**9), ("--share", share, 100)):
        if text is not None and not (text.isascii() and text.isdigit() and int(text) <= limit):
            raise ConfigurationError(
                f"{name} takes a number up to {limit}, not {text[:20]!r}", hint="inv --help retain"
            )
    caps = (None if most is None else int(most), None if share is None else int(share) / 100)
    request = retaining.RetainRequest(yes, json, Path(report) if report else None, *caps)
    retaining.retain(project, begin(project), request)
    return None


@task(
    changes="yes",
    tag="the tag of an image or of a row: inv tag IMAGE",
    reason="what is wrong with the image; everybody reads it who is refused",
    undo="take the revocation back",
    yes="write it; without it only what would be revoked is printed",
    catalogue=CATALOGUE,
)
def revoke(
    context: Context,
    tag: str,
    reason: str = "",
    undo: bool = False,
    yes: bool = False,
    catalogue: str | None = None,
) -> None:
    """Revoke an image: nobody skips to it, starts from it or copies it any more; a dry run without --yes."""
    from imageyard.ci.event import decision
    from imageyard.keep import revoke as revoking
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    project = find_project(catalogue)
    request = revoking.RevokeRequest(tag, reason, undo, yes)
    done, error = revoking.revoke(project, recipes_of(project), begin(project), decision(project), request)
    tell_images(done, exit_code(error))


@task(
    changes=True,
    instead="inv retain: what of each repository stays, and why",
    to="the folder, or s3://BUCKET/PREFIX, that gets index.html and images.json; default: the catalogue's page",
    catalogue=CATALOGUE,
)
def page(context: Context, to: str | None = None, catalogue: str | None = None) -> object:
    """Write one HTML page of all published images, and its data; nothing else is written or deleted."""
    from imageyard.keep.write_page import write_page
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    project = find_project(catalogue)
    return write_page(project, begin(project), to)


TASKS = [retain, page, revoke]
