"""The files in which a step answers GitHub: outputs, and the summary that a person reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.errors import EnvironmentLacks
from imageyard.layout import duration, one_line

if TYPE_CHECKING:
    from imageyard.plan.report import Told
    from imageyard.queries.workflow_plan import WorkflowPlan

__all__ = ["REPORT_HEADERS", "emit", "plan_summary", "report_cells", "summarize", "table"]

REPORT_HEADERS = ("image", "what", "outcome", "why", "time", "tag")

SUMMARY_BYTES = 1024 * 1024
"""The most that a step may add to the summary (docs.github.com, "Workflow commands", job summaries)."""


def emit(values: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> bool:
    """Add outputs to the file that GITHUB_OUTPUT names; False where there is none.

    Each value stands between delimiters that cannot be guessed, so that no text in it ends it early and adds an
    output of its own (docs.github.com, "Workflow commands", multiline strings). Raises EnvironmentLacks where the file
    cannot be written.
    """
    lines = []
    for name, value in values.items():
        end = f"end-{secrets.token_hex(16)}"
        lines.append(f"{name}<<{end}\n{value}\n{end}\n")
    return _append("GITHUB_OUTPUT", "".join(lines), environ)


def summarize(markdown: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Add to the summary of the job; False where there is none. What is too long for GitHub is cut, and said."""
    text = markdown if markdown.endswith("\n") else f"{markdown}\n"
    if len(text.encode()) > SUMMARY_BYTES:
        text = text.encode()[: SUMMARY_BYTES - 200].decode(errors="ignore").rpartition("\n")[0]
        text += "\n\nThe rest is too long for a summary: see the log.\n"
    return _append("GITHUB_STEP_SUMMARY", text, environ)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; nothing in a cell is taken for markup."""
    lines = [_line(headers), "|".join(["", *["---"] * len(headers), ""]), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def plan_summary(plan: WorkflowPlan) -> str:
    """The plan for a reader: what the run may do, the rows with their reasons, and the images after them."""
    decision = plan.decision
    parts = [
        "## Plan\n",
        f"{_cell(decision.reason)}. Trust: {decision.trust}; written: {decision.push or 'nothing'}.\n",
        *(f"{_cell(remark)}.\n" for remark in plan.remarks),
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
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Text as it is: nothing of it may open a tag, a link or a column, or mention anybody."""
    flat = one_line(text, 1000)
    for special in "\\`*_{}[]<>|#!~":
        flat = flat.replace(special, f"\\{special}") if special != "<" else flat.replace("<", "&lt;")
    return flat.replace("@", "@<!-- -->")


def _append(variable: str, text: str, environ: Mapping[str, str]) -> bool:
    name = environ.get(variable)
    if not name:
        return False
    try:
        with Path(name).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise EnvironmentLacks(f"{variable} names {name}, which cannot be written: {error.strerror}") from None
    return True
