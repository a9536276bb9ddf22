"""What a person may ask of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BuildOptions"]


@dataclass(frozen=True)
class BuildOptions:
    """What a person may ask of a build: `expect` refuses any other tag, `extra` goes to `docker buildx build`."""

    force: bool = False
    expect: str | None = None
    set_args: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
