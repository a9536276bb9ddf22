"""A plan and a report as the tables of a summary that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.layout import duration, one_line

if TYPE_CHECKING:
    from imageyard.plan.report import Told
    from imageyard.queries.workflow_plan import WorkflowPlan

__all__ = ["REPORT_HEADERS", "plan_summary", "report_cells", "table", "text"]

REPORT_HEADERS = ("image", "what", "outcome", "why", "time", "tag")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; nothing in a cell is taken for markup."""
    lines = [_line(headers), "|".join(["", *["---"] * len(headers), ""]), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def plan_summary(plan: WorkflowPlan) -> str:
    """The plan for a reader: what the run may do, the rows with their reasons, and the images after them."""
    decision = plan.decision
    parts = [
        "## Plan\n",
        f"{text(decision.reason)}. Trust: {decision.trust}; written: {decision.push or 'nothing'}.\n",
    ]
    todo = [one for one in plan.actions if one.do != "skip"]
    images = [one for one in plan.delivered if one.do != "skip"]
    if todo:
        cells = [(one.row.image, one.row.arch, str(one.level), one.do, one.reason, one.tag) for one in todo]
        parts.append(table(("image", "arch", "level", "action", "why", "tag"), cells))
    if images:
        lines = [(one.image, one.step if one.do == "work" else one.do, one.reason, one.tag) for one in images]
        parts.append(table(("image", "action", "why", "tag"), lines))
    parts.append(f"{len(plan.actions) - len(todo)} of {len(plan.actions)} rows need nothing.\n")
    return "\n".join(parts)


def report_cells(lines: Sequence[Told]) -> list[tuple[str, ...]]:
    """The lines of a report under REPORT_HEADERS."""
    return [
        (one.image, one.what, one.outcome, one.why, "-" if one.seconds is None else duration(one.seconds), one.tag)
        for one in lines
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(text, cells)) + " |"


def text(words: str) -> str:
    """Text as it is, on one line: nothing of it may open a tag, a link or a column, or mention anybody."""
    flat = one_line(words, 1000)
    for special in "\\`*_{}[]<>|#!~":
        flat = flat.replace(special, f"\\{special}") if special != "<" else flat.replace("<", "&lt;")
    return flat.replace("@", "@<!-- -->")
