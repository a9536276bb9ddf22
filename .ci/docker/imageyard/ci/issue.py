"""One issue for scheduled runs that fail: opened once, and told of every further failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider

__all__ = ["tell"]

_MARK = "<!-- imageyard: scheduled builds -->"
_TITLE = "Scheduled image builds fail"


def tell(provider: Provider) -> str:
    """Open the issue, or tell the one that is open of this run; returns its address.

    No reader sees the mark in its text by which it is found again. Raises what the provider's `Forge` does.
    """
    forge = provider.forge()
    said = f"The scheduled run {provider.run_address()} of {provider.workflow()} failed; its summary says why."
    more = "Further failures are told in comments. Close it when a scheduled run has succeeded."
    return forge.report(_MARK, _TITLE, f"{_MARK}\n{said}\n\n{more}\n", said)
