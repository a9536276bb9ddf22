"""The rows of a catalogue as Nox lists them, kept on disk so that `nox -l` reads no YAML."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imageyard.catalogue import listing
from imageyard.errors import EnvironmentLacks
from imageyard.files import atomic_write, keep_out_of_git
from imageyard.project.checkout import chosen_lane

if TYPE_CHECKING:
    from imageyard.catalogue.listing import Listed
    from imageyard.project.checkout import Checkout

__all__ = ["row_list"]


def row_list(checkout: Checkout) -> tuple[Listed, ...]:
    """The rows of this lane, or of none, from the list that is kept of a catalogue with the same bytes and files.

    Raises ConfigurationError as reading the catalogue does; the list of a catalogue with an error is never kept.
    """
    kept = checkout.state / "listing.json"
    try:
        key = listing.key(checkout.file.read_bytes(), f"{checkout.file}\0{chosen_lane() or ''}")
    except OSError as error:
        raise EnvironmentLacks(f"{checkout.file} cannot be read: {error.strerror}") from None
    try:
        found = listing.loads(kept.read_bytes(), key)
        now = {path: listing.digest((checkout.top / path).read_bytes()) for path in found.files} if found else {}
        found = found if found and now == found.files else None
    except OSError:
        found = None
    if found is None:
        from imageyard.catalogue import expand  # reads YAML, whose import alone takes longer than `nox -l` may

        found = listing.listed(expand.open_catalogue(checkout.file, checkout.top), chosen_lane())
        with suppress(EnvironmentLacks):  # a checkout that cannot be written to is listed all the same
            keep_out_of_git(checkout.state)
            atomic_write(kept, listing.dumps(key, found))
    return found.rows
