"""What the facts of a row were, in its record; what could not be kept is a remark, and never the end of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from imageyard.catalogue.expectations.base import exit_words
from imageyard.errors import ImageyardError, assert_never
from imageyard.fact_lines import LIMIT, keep, sorted_lines
from imageyard.layout import one_line, size
from imageyard.ran import Ended, NotStarted, TimedOut

if TYPE_CHECKING:
    from imageyard.ran import Ran
    from imageyard.run.row_run import RowRun

__all__ = ["keep_facts"]


def keep_facts(run: RowRun, take: Callable[[], Mapping[str, Ran] | str]) -> None:
    """Add the facts of a row to its record. `take` runs their commands, or returns the reason why none is run.

    Whatever keeps a fact from being taken is a remark: the image is what its checks say.
    """
    try:
        taken = take()
    except ImageyardError as error:
        taken = error.headline
    if isinstance(taken, str):
        run.add_remark(f"no facts: {taken}")
        return
    lines: dict[str, tuple[str, ...]] = {}
    for name, ran in taken.items():
        if why := _why_not(ran):
            run.add_remark(f"no fact {name}: {why}")
        else:
            assert isinstance(ran, Ended)
            lines[name] = sorted_lines(ran.out)
    kept = keep(lines)
    for name, large in kept.too_large.items():
        run.add_remark(f"no fact {name}: {size(large)} do not fit in the {size(LIMIT)} of a row")
    run.update(facts=kept.facts)
    if kept.facts:
        run.services.reporter.detail(f"kept {sum(map(len, kept.facts.values()))} lines of {', '.join(kept.facts)}")


def _why_not(ran: Ran) -> str:
    """Why a fact cannot be kept; empty where it can."""
    match ran:
        case Ended(code=0, clipped=True):
            return "the builder cut its output"
        case Ended(code=0):
            return ""
        case Ended(code=code):
            return exit_words(code)
        case TimedOut(seconds=seconds):
            return f"no answer within {seconds:g} s"
        case NotStarted(why=why):
            return f"the container did not start ({one_line(why, 80)})"
        case _:
            return assert_never(ran)
