"""What checks found, in a row's record; what failed, as the error that it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.errors import CheckFailed

if TYPE_CHECKING:
    from imageyard.records import Finding
    from imageyard.run.row_run import Job

__all__ = ["keep"]


def keep(job: Job, findings: Sequence[Finding]) -> None:
    """Note what checks found. Raises CheckFailed where one of them failed: the row gets no tag."""
    job.note(findings=tuple(findings))
    bad = [found for found in findings if not found.ok]
    if bad:
        raise CheckFailed(
            bad[0].headline if len(bad) == 1 else f"{len(bad)} checks failed, first {bad[0].headline}",
            doing=f"checking {job.title}; it gets no tag",
            detail=[line for found in bad for line in (found.headline, *_indented(found.why, found.output))],
            hint=f"nox -s test_dockerfile -- {job.project.shown(job.row)} --shell    (look inside)",
        )
    job.services.reporter.detail(f"{len(findings)} check{'' if len(findings) == 1 else 's'} passed")


def _indented(why: str, output: tuple[str, ...]) -> list[str]:
    return [f"    {line}" for line in (why, *output) if line]
