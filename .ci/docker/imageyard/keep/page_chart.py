"""A line of values over images as the numbers of an inline SVG; the template draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "Chart", "ChartDot", "chart"]

WIDTH, HEIGHT = 320, 72
"""The size of the drawing in its own units."""
_EDGE = 6


@dataclass(frozen=True)
class ChartDot:
    """One value: where it is drawn, and what it says."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Chart:
    """A chart. `line` are the points of a polyline; `words` say the same to whoever does not see it."""

    title: str
    words: str
    low: str
    high: str
    line: str
    dots: tuple[ChartDot, ...]


def chart(title: str, values: Sequence[tuple[str, float]], words: Callable[[float], str]) -> Chart | None:
    """Draw values, each with the name of its image, in their order; None where there are fewer than two.

    `words` says a value with its unit. The lowest value is at the bottom and the highest at the top.
    """
    if len(values) < 2:
        return None
    numbers = [value for _, value in values]
    low, high = min(numbers), max(numbers)
    step = (WIDTH - 2 * _EDGE) / (len(values) - 1)
    dots = []
    for at, (name, value) in enumerate(values):
        share = (value - low) / (high - low) if high > low else 0.5
        x, y = _EDGE + at * step, HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE)
        dots.append(ChartDot(round(x, 1), round(y, 1), f"{name}: {words(value)}"))
    said = (
        f"{title} of {len(values)} images: {words(numbers[0])} at first, {words(numbers[-1])} now,"
        f" from {words(low)} to {words(high)}"
    )
    line = " ".join(f"{dot.x},{dot.y}" for dot in dots)
    return Chart(title, said, words(low), words(high), line, tuple(dots))
