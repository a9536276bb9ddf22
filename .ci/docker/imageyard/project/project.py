"""What a checkout says: its catalogue, read once and then only looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageyard.catalogue import expand, select
from imageyard.catalogue.lane_images import in_lane
from imageyard.catalogue.model import Catalogue, Registry, Row
from imageyard.errors import ConfigurationError
from imageyard.names import Reference, as_arch, parse_reference
from imageyard.project.checkout import LANE, Checkout, chosen_lane, find_checkout

__all__ = ["Project", "find_project", "load_project"]


@dataclass(frozen=True)
class Project(Checkout):
    """A checkout and its catalogue, expanded, as runs of one lane, or of none, see it."""

    catalogue: Catalogue

    @property
    def repository(self) -> Reference:
        """The repository that loaded images are named after: the catalogue's trusted one, or one that is nowhere."""
        return _trusted(self.catalogue.registry)

    def repository_of(self, row: Row) -> Reference:
        """The repository that a row is named after in an engine: in a lane what it starts from keeps its own name."""
        own = row.image.lane == self.catalogue.lane
        return self.repository if own else _trusted(self.catalogue.main)

    def row(self, image: str, arch: str) -> Row:
        """One row by name, of this lane or of none. Raises ConfigurationError where the catalogue has none."""
        selected = as_arch(arch)
        for row in self.catalogue.rows:
            if row.name == image and row.arch == selected and row.image.lane == self.catalogue.lane:
                return row
        self._refuse_elsewhere(image)
        raise ConfigurationError(f"{self.file.name} has no image {image} for {arch}", hint="inv list")

    def rows(self, pattern: str, arch: str | None = None) -> tuple[Row, ...]:
        """The rows that a pattern selects, parents first; `arch` None selects all architectures.

        Raises ConfigurationError for a pattern that selects nothing.
        """
        self._refuse_elsewhere(pattern)
        names = set(select.select(pattern, self.catalogue.own_images, self.catalogue.axes))
        selected = as_arch(arch) if arch else None
        rows = tuple(row for row in self.catalogue.rows if row.name in names and selected in (None, row.arch))
        if not rows:
            raise ConfigurationError(f"{pattern} has no image for {arch}", hint=f"inv list --pattern '{pattern}'")
        return rows

    def _refuse_elsewhere(self, image: str) -> None:
        """Raise ConfigurationError for an image of a lane that this run is not about."""
        known = {name: one.lane for name, one in self.catalogue.images.items()}
        lane = {**known, **self.catalogue.elsewhere}.get(image, self.catalogue.lane)
        if lane == self.catalogue.lane:
            return
        about = f"the lane {self.catalogue.lane}" if self.catalogue.lane else "images of no lane"
        whose = f"of the lane {lane}" if lane else "of no lane"
        hint = f"export {LANE}={lane}" if lane else f"unset {LANE}"
        raise ConfigurationError(f"{image} is {whose}, and this run is about {about}", at=self.file, hint=hint)

    def shown(self, row: Row, dockerfile: str | None = None) -> str:
        """The path of a row's Dockerfile as a person types it at the repository's top."""
        return self.in_repository(row.image.context, dockerfile or row.image.dockerfile)


def find_project(catalogue: str | None = None, start: Path | None = None) -> Project:
    """Find the catalogue as `find_checkout` does, and read it. Raises ConfigurationError with file and line."""
    return load_project(find_checkout(catalogue, start))


def load_project(checkout: Checkout, lane: str | None = None) -> Project:
    """Read the catalogue of a checkout, as runs of a lane see it; None is the lane that IMAGEYARD_LANE names, or none.

    Raises ConfigurationError with file and line.
    """
    whole = expand.load(checkout.file, checkout.top)
    return Project(checkout.file, checkout.top, in_lane(whole, chosen_lane() if lane is None else lane))


def _trusted(registry: Registry | None) -> Reference:
    return parse_reference(registry.trusted if registry else "imageyard.local/ci-image")
