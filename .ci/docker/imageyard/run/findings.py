"""What checks found, in a row's record; what failed, as the error that it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.errors import CheckFailed

if TYPE_CHECKING:
    from imageyard.records import Finding
    from imageyard.run.row_run import RowRun

__all__ = ["require_passed"]


def require_passed(run: RowRun, findings: Sequence[Finding], dockerfile: str) -> None:
    """Add what checks found to the row's record; `dockerfile` is the path that an error's hint names.

    Raises CheckFailed where one of them failed: the row gets no tag.
    """
    run.update(findings=tuple(findings))
    bad = [finding for finding in findings if not finding.ok]
    if bad:
        raise CheckFailed(
            bad[0].headline if len(bad) == 1 else f"{len(bad)} checks failed, first {bad[0].headline}",
            doing=f"checking {run.title}; it gets no tag",
            detail=[line for finding in bad for line in (finding.headline, *_indented(finding.why, finding.output))],
            hint=f"nox -s test_dockerfile -- {dockerfile} --shell    (look inside)",
        )
    run.services.reporter.detail(f"{len(findings)} check{'' if len(findings) == 1 else 's'} passed")


def _indented(why: str, output: tuple[str, ...]) -> list[str]:
    return [f"    {line}" for line in (why, *output) if line]
