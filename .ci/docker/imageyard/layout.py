"""How things are written on a line: aligned columns, durations, sizes, and what no reader must be sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

__all__ = ["aligned", "duration", "lines", "one_line", "size", "step_line", "visible"]

# ECMA-48: control sequences, operating system commands (up to BEL or ST), and the two-byte escapes.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FLAGS = re.compile(r"(\] (?:RUN|COPY|ADD) )(?:--[a-z]+=\S+ )+")
_BREAK = re.compile(r"\r\n|\r|\n")


_LEAST = 40
"""Characters that are left of words that are cut."""


def lines(text: str) -> list[str]:
    """The lines of a text as they may be shown: no escape sequence, no control character but the tab.

    A lone carriage return ends a line too, because readers of a log (GitHub's among them) take it for one.
    """
    return [_CONTROL.sub("", _ESCAPE.sub("", line)) for line in _BREAK.split(text.rstrip("\r\n"))]


def visible(text: str) -> str:
    """The text with its control characters written out in hex, but for line breaks and tabs."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line of at most `limit` characters; what is left out is marked."""
    flat = " ".join(" ".join(lines(text)).split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


def step_line(name: str, limit: int = 120) -> str:
    """A step as BuildKit words it without its flags: what it does stands behind them."""
    return one_line(_FLAGS.sub(r"\1", " ".join(name.split())), limit)


def duration(seconds: float) -> str:
    """Seconds for a reader: `0.4 s`, `12 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Bytes for a reader, in powers of 1000 as Docker prints them: `312 B`, `74.8 MB`, `1.2 GB`."""
    if count < 1000:
        return f"{count} B"
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}"


def aligned(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    cut: Collection[str] = (),
) -> list[str]:
    """The lines of a table in columns, without a border.

    A cell is never wrapped or cut, so that names can be copied out of it, but for words below the headers `cut`, of
    which at least 40 characters are left. Where the table is wider than `width` characters even so, each row becomes
    a block: the first cell, and below it one `header  cell` line for each other.
    """
    table = [[one_line(cell, 10_000) for cell in row] for row in (headers, *rows)]
    widths = _widths(table)
    for column, header in enumerate(headers):
        over = 0 if width is None else sum(widths) + 2 * (len(widths) - 1) - width
        if header in cut and over > 0 and widths[column] - over >= _LEAST:
            table = [[*row[:column], one_line(row[column], widths[column] - over), *row[column + 1 :]] for row in table]
            widths = _widths(table)
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        return _blocks(table, width, cut)
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(*table, strict=True)]


def _blocks(table: Sequence[Sequence[str]], width: int, cut: Collection[str]) -> list[str]:
    headers, *rows = table
    pad = max(len(header) for header in headers)
    found: list[str] = []
    for first, *rest in rows:
        found.append(first)
        for header, cell in zip(headers[1:], rest, strict=True):
            shown = one_line(cell, max(width - pad - 4, _LEAST)) if header in cut else cell
            found += [f"  {header.ljust(pad)}  {shown}"] if shown else []
    return found
