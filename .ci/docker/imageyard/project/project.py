"""What a checkout says: its catalogue, read once and then only looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageyard.catalogue import expand, select
from imageyard.catalogue.model import Catalogue, Row
from imageyard.errors import ConfigurationError
from imageyard.names import Reference, as_arch, parse_reference
from imageyard.project.checkout import Checkout, find_checkout

__all__ = ["Project", "find_project", "load_project"]


@dataclass(frozen=True)
class Project(Checkout):
    """A checkout and its catalogue, expanded."""

    catalogue: Catalogue

    @property
    def repository(self) -> Reference:
        """The repository that loaded images are named after: the catalogue's trusted one, or one that is nowhere."""
        registry = self.catalogue.registry
        return parse_reference(registry.trusted if registry else "imageyard.local/ci-image")

    def row(self, image: str, arch: str) -> Row:
        """One row by name. Raises ConfigurationError where the catalogue has none."""
        selected = as_arch(arch)
        for row in self.catalogue.rows:
            if row.name == image and row.arch == selected:
                return row
        raise ConfigurationError(f"{self.file.name} has no image {image} for {arch}", hint="inv list")

    def rows(self, pattern: str, arch: str | None = None) -> tuple[Row, ...]:
        """The rows that a pattern selects, parents first; `arch` None selects all architectures.

        Raises ConfigurationError for a pattern that selects nothing.
        """
        names = set(select.select(pattern, tuple(self.catalogue.images), self.catalogue.axes))
        selected = as_arch(arch) if arch else None
        rows = tuple(row for row in self.catalogue.rows if row.name in names and selected in (None, row.arch))
        if not rows:
            raise ConfigurationError(f"{pattern} has no image for {arch}", hint=f"inv list --pattern '{pattern}'")
        return rows

    def shown(self, row: Row, dockerfile: str | None = None) -> str:
        """The path of a row's Dockerfile as a person types it at the repository's top."""
        return self.in_repository(row.image.context, dockerfile or row.image.dockerfile)


def find_project(catalogue: str | None = None, start: Path | None = None) -> Project:
    """Find the catalogue as `find_checkout` does, and read it. Raises ConfigurationError with file and line."""
    return load_project(find_checkout(catalogue, start))


def load_project(checkout: Checkout) -> Project:
    """Read the catalogue of a checkout. Raises ConfigurationError with file and line."""
    return Project(checkout.file, checkout.top, expand.load(checkout.file, checkout.top))
