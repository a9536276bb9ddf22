"""Which pull requests are open, of those whose layer caches would go."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from imageyard.errors import Denied, EnvironmentLacks

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Forge
    from imageyard.run.services import Services

__all__ = ["OpenPulls"]


class OpenPulls:
    """Asks the forge in one run, any number of times; who was told to be closed is asked for once.

    The list of all that are open is read anew each time, so that a request which opens again is in it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._closed: set[int] = set()

    def among(self, numbers: Collection[int]) -> frozenset[int]:
        """Which of these pull requests are open: all of them where this run has no token for that.

        A list of all that are open costs a page for each hundred; what it lacks is asked for by its number, as a
        request that closes meanwhile moves others to a page that was read already. Raises Denied or Transient.
        """
        if not numbers:
            return frozenset()
        try:
            forge = self._services.provider.forge()
        except EnvironmentLacks as error:
            self._services.reporter.warn(f"caches of pull requests stay, as any may be open: {error.headline}")
            return frozenset(numbers)
        listed = forge.open_pulls()
        return frozenset(number for number in sorted(numbers) if number in listed or self._may_be_open(forge, number))

    def _may_be_open(self, forge: Forge, number: int) -> bool:
        """Whether a request is open, or its number is none that the forge tells of: who may write caches names them."""
        if number in self._closed:
            return False
        try:
            is_open = forge.is_open(number)
        except Denied:
            return True
        if not is_open:
            self._closed.add(number)
        return is_open
