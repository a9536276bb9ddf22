"""The files in which a step answers GitHub: outputs, and the summary that a person reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from imageyard.errors import EnvironmentLacks

__all__ = ["SUMMARY_BYTES", "emit", "summarize"]

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
    text = text.encode(errors="backslashreplace").decode()  # a file's name may be no text
    if len(text.encode()) > SUMMARY_BYTES:
        text = text.encode()[: SUMMARY_BYTES - 200].decode(errors="ignore").rpartition("\n")[0]
        text += "\n\nThe rest is too long for a summary: see the log.\n"
    return _append("GITHUB_STEP_SUMMARY", text, environ)


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
