"""What a comparison with recorded builds is told as: lines for people, plain data for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imageyard.adopt.parity import Difference, Intended
from imageyard.adopt.recorded import RecordedBuild

__all__ = ["Parity"]


@dataclass(frozen=True)
class Parity:
    """How a catalogue compares with recorded builds: `compared` of them; reasons that cover nothing are `unused`."""

    compared: int
    unintended: Sequence[Difference]
    intended: Mapping[Intended, Sequence[Difference]]
    unused: Sequence[Intended]

    def only(self, statuses: Sequence[str], builds: Sequence[RecordedBuild]) -> Parity:
        """What is of recorded builds of some statuses alone, all where none is named, and of rows without a record.

        A reason is unused only where it covers nothing of all builds.
        """
        if not statuses:
            return self
        wanted = {"", *statuses}
        left = {reason: [one for one in all_ if one.status in wanted] for reason, all_ in self.intended.items()}
        return Parity(
            sum(build.status in statuses for build in builds),
            [one for one in self.unintended if one.status in wanted],
            {reason: all_ for reason, all_ in left.items() if all_},
            self.unused,
        )

    @property
    def lines(self) -> list[str]:
        """The comparison for people: what nobody meant first, one line each, then the reasons with their counts."""
        found = []
        for one in self.unintended:
            found.append(f"{one.name}: {one.subject}: {_sides(one)}{f'  ({one.where})' if one.where else ''}")
        for reason, differences in self.intended.items():
            rows = len({one.name for one in differences})
            found.append(f"intended: {reason.what}: {len(differences)} in {rows} rows: {reason.why}")
        found += [f"nothing differs as {one.where} says: {one.what} in {one.rows}" for one in self.unused]
        return [*found, self.headline]

    @property
    def headline(self) -> str:
        """The comparison in one sentence."""
        meant = sum(map(len, self.intended.values()))
        said = f"{self.compared} builds compared: {len(self.unintended)} unintended differences, {meant} intended"
        return said + (f", {len(self.unused)} reasons that cover nothing" if self.unused else "")

    @property
    def plain(self) -> dict[str, object]:
        """The comparison as plain data."""
        return {
            "compared": self.compared,
            "unintended": [_plain(one) for one in self.unintended],
            "intended": [
                {"what": reason.what, "rows": reason.rows, "why": reason.why, "differences": [_plain(o) for o in all_]}
                for reason, all_ in self.intended.items()
            ],
            "unused": [{"what": one.what, "rows": one.rows, "why": one.why} for one in self.unused],
        }


def _sides(one: Difference) -> str:
    match one.recorded, one.ours:
        case recorded, None:
            return f"the script has {recorded!r}, the catalogue has none"
        case None, ours:
            return f"the catalogue has {ours!r}, the script has none"
        case recorded, ours:
            return f"the script has {recorded!r}, the catalogue {ours!r}"


def _plain(one: Difference) -> dict[str, object]:
    where = str(one.where) if one.where else None
    return {"name": one.name, "what": one.subject, "script": one.recorded, "catalogue": one.ours, "where": where}
