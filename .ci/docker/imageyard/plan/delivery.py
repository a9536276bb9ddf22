"""What is to be done for images as a whole, after their rows: the tag over several rows, and copies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, get_args

from imageyard.errors import PolicyRefused, assert_never
from imageyard.names import Absent, Present, Revoked, State, Unknown
from imageyard.plan.plan import Action, RowKey, Stop

__all__ = ["STEPS", "Copies", "Delivery", "Step", "Whole", "deliveries"]

Step: TypeAlias = Literal["promote", "mirror", "backup"]
STEPS: tuple[Step, ...] = get_args(Step)


class Copies(NamedTuple):
    """What a mirror has of an image: under its content tag, and under the floating tag that is its bare name."""

    content: State
    floating: State


@dataclass(frozen=True)
class Whole:
    """An image before the decision: the tag over its rows, and what the repository and each mirror has under it.

    `state` is None where no place was asked. `mirrors` is empty where nothing may be mirrored. `saved`: it is copied to
    a bucket.
    """

    image: str
    tag: str
    rows: tuple[RowKey, ...]
    state: State | None = None
    mirrors: Mapping[str, Copies] = field(default_factory=dict)
    saved: bool = False


@dataclass(frozen=True)
class Delivery:
    """What is to be done for an image as a whole, and why; `needs` are the rows that the plan builds before.

    `error` is what blocks it; None where that is a row, which has its own. `to` are the mirrors that lack it.
    """

    image: str
    tag: str
    step: Step
    do: Literal["work", "skip", "blocked"]
    reason: str
    needs: tuple[RowKey, ...] = ()
    error: Stop | None = field(default=None, compare=False)
    to: tuple[str, ...] = ()


def deliveries(wholes: Sequence[Whole], actions: Sequence[Action], place: str) -> tuple[Delivery, ...]:
    """For each image its promotion, where it has several rows, its copies at mirrors, and that in a bucket.

    An image none of whose rows is in the plan, or whose rows are left alone though they are absent, has none.
    """
    by_row = {one.row: one for one in actions}
    found: list[Delivery] = []
    for whole in wholes:
        rows = [by_row[key] for key in whole.rows if key in by_row]
        if len(rows) < len(whole.rows) or any(one.left for one in rows):
            continue
        promoted = _promotion(whole, rows, place) if len(rows) > 1 else None
        copies = (_mirroring(whole, rows, promoted, place), _backup(whole, rows, promoted, place))
        found += [one for one in (promoted, *copies) if one]
    return tuple(found)


def _promotion(whole: Whole, rows: Sequence[Action], place: str) -> Delivery | None:
    if stopped := _stopped(whole, rows, "promote"):
        return stopped
    if needs := _built(rows):
        return Delivery(whole.image, whole.tag, "promote", "work", _after(needs), needs)
    match whole.state:
        case Present():
            return Delivery(whole.image, whole.tag, "promote", "skip", f"in {place}")
        case Absent():
            reason = f"its rows are in {place}, the tag over them is not"
            return Delivery(whole.image, whole.tag, "promote", "work", reason)
        case Revoked(why=why):
            return Delivery(whole.image, whole.tag, "promote", "blocked", why, error=PolicyRefused(why))
        case Unknown(error=error):
            return Delivery(whole.image, whole.tag, "promote", "blocked", whole.state.why, error=error)
        case None:
            return None
        case _:
            assert_never(whole.state)


def _mirroring(whole: Whole, rows: Sequence[Action], promoted: Delivery | None, place: str) -> Delivery | None:
    if not whole.mirrors:
        return None
    if stopped := _stopped(whole, rows, "mirror"):
        return stopped
    needs = _built(rows)
    if needs:
        return Delivery(whole.image, whole.tag, "mirror", "work", _after(needs), needs, to=tuple(whole.mirrors))
    if promoted and promoted.do == "work":
        return Delivery(whole.image, whole.tag, "mirror", "work", "it is promoted", to=tuple(whole.mirrors))
    if promoted and promoted.do == "blocked":
        return Delivery(whole.image, whole.tag, "mirror", "blocked", "its promotion is blocked")
    if not isinstance(whole.state, Present):
        return None
    lacking = {name: why for name, copies in whole.mirrors.items() if (why := _lacking(whole.state, copies))}
    if not lacking:
        return Delivery(whole.image, whole.tag, "mirror", "skip", "at every mirror")
    words = "; ".join(f"{why} {name}" for name, why in lacking.items())
    return Delivery(whole.image, whole.tag, "mirror", "work", f"in {place}, {words}", to=tuple(lacking))


def _backup(whole: Whole, rows: Sequence[Action], promoted: Delivery | None, place: str) -> Delivery | None:
    """What this run adds is copied at once; the bucket is not asked, and what was there before is the nightly run's."""
    if not whole.saved:
        return None
    if stopped := _stopped(whole, rows, "backup"):
        return stopped
    if needs := _built(rows):
        return Delivery(whole.image, whole.tag, "backup", "work", _after(needs), needs)
    if promoted and promoted.do == "work":
        return Delivery(whole.image, whole.tag, "backup", "work", "it is promoted")
    if promoted and promoted.do == "blocked":
        return Delivery(whole.image, whole.tag, "backup", "blocked", "its promotion is blocked")
    reason = f"in {place} before this run"
    return Delivery(whole.image, whole.tag, "backup", "skip", reason) if isinstance(whole.state, Present) else None


def _lacking(source: Present, copies: Copies) -> str:
    """What is wrong at a mirror, in words that its name follows; empty where nothing is.

    One that does not say is work too: the job that copies has the credential to ask, and asks before it copies.
    """
    for held, what in ((copies.content, ""), (copies.floating, "the floating tag ")):
        match held:
            case Unknown(why=why):
                return f"not known ({why}) at"
            case Revoked():
                return f"{what}is revoked at" if what else "revoked at"
            case Absent():
                return f"{what}absent at" if not what else f"{what}is absent at"
            case Present(digest=digest):
                if digest != source.digest:
                    return f"{what}is another at" if what else "other bytes at"
            case _:
                assert_never(held)
    return ""


def _stopped(whole: Whole, rows: Sequence[Action], step: Step) -> Delivery | None:
    blocked = next((one for one in rows if one.do == "blocked"), None)
    if blocked is None:
        return None
    return Delivery(whole.image, whole.tag, step, "blocked", f"its row for {blocked.row.arch} is blocked")


def _built(rows: Sequence[Action]) -> tuple[RowKey, ...]:
    return tuple(one.row for one in rows if one.do == "build")


def _after(needs: Sequence[RowKey]) -> str:
    return f"after {', '.join(key.arch for key in needs)}"
