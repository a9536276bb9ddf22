"""Which pull requests are open, of those whose layer caches would go."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from imageyard.errors import Denied, EnvironmentLacks

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Forge
    from imageyard.run.services import Services

__all__ = ["open_pulls"]


def open_pulls(services: Services, numbers: Collection[int]) -> frozenset[int]:
    """Ask the forge which of these pull requests are open: all of them where this run has no token for that.

    A list of all that are open costs a page for each hundred; what it lacks is asked for by its number, as a request
    that closes meanwhile moves others to a page that was read already. Raises Denied or Transient.
    """
    if not numbers:
        return frozenset()
    try:
        forge = services.provider.forge()
    except EnvironmentLacks as error:
        services.reporter.warn(f"caches of pull requests stay, as any may be open: {error.headline}")
        return frozenset(numbers)
    listed = forge.open_pulls()
    return frozenset(number for number in sorted(numbers) if number in listed or _may_be_open(forge, number))


def _may_be_open(forge: Forge, number: int) -> bool:
    """Whether a request is open, or its number is none that the forge tells of: whoever may write caches names them."""
    try:
        return forge.is_open(number)
    except Denied:
        return True
