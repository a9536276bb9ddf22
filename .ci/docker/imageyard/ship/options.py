"""What a person may ask of a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imageyard.errors import ConfigurationError

__all__ = ["BuildOptions", "assignments"]


@dataclass(frozen=True)
class BuildOptions:
    """What a person may ask of a build: `expect` refuses any other tag, `extra` goes to `docker buildx build`."""

    force: bool = False
    expect: str | None = None
    set_args: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()


def assignments(pairs: Sequence[str]) -> Mapping[str, str]:
    """`NAME=VALUE` arguments as a map. Raises ConfigurationError for any other form."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError(
                f"--set takes NAME=VALUE, not {pair!r}", hint="for example: --set PYTHON_VERSION=3.13"
            )
        found[name] = value
    return found
