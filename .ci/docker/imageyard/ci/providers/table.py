"""Which CI system runs us. A new one is a folder beside `github`, a line here, and one in `logs.py` for its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imageyard.ci.providers.base import Provider
from imageyard.ci.providers.github.provider import GitHub

__all__ = ["PROVIDERS", "provider_of"]

PROVIDERS: tuple[Callable[[Mapping[str, str]], Provider], ...] = (GitHub,)


def provider_of(environ: Mapping[str, str]) -> Provider:
    """Return the provider that runs this process, else the first of the table.

    Outside CI a person may set a provider's variables by hand, to ask its API or to try what a job does. Where none
    is set the provider has no answers: no token, no outputs, no summary.
    """
    providers = [make(environ) for make in PROVIDERS]
    return next((provider for provider in providers if provider.runs_us), providers[0])
