"""The frontend that reads a Dockerfile, named by `# syntax=` or by the arg BUILDKIT_SYNTAX, and bound to a digest."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.lock import reference_key
from imageyard.names import parse_reference
from imageyard.recipe.dockerfile.references import familiar, is_reference
from imageyard.recipe.dockerfile.stages import Dockerfile
from imageyard.recipe.stand_ins import Locked

__all__ = ["frontend_of", "pinned_frontend", "reads_dockerfiles", "syntax_arg"]

_SYNTAX_ARG = "BUILDKIT_SYNTAX"
"""The build arg that names a frontend; it goes before `# syntax=` (BuildKit, frontend/dockerfile/builder/build.go)."""
_ALIKE = ("docker/dockerfile", "docker/dockerfile-upstream")
"""Those that read a Dockerfile as the built-in one does; of any other's file each byte counts."""


def frontend_of(dockerfile: Dockerfile, args: Mapping[str, str]) -> str | None:
    """The frontend that a Dockerfile is read by under these args, None for the built-in one."""
    return args.get(_SYNTAX_ARG) or dockerfile.frontend


def reads_dockerfiles(frontend: str | None) -> bool:
    """Whether a frontend, None being the built-in one, reads a Dockerfile as we do."""
    if frontend is None:
        return True
    name = familiar(frontend).partition("@")[0].partition(":")[0] if is_reference(frontend) else ""
    return name in _ALIKE


def pinned_frontend(frontend: str | None, lock: Locked) -> str | None:
    """A frontend by digest, where the lock pins it; else as it is written."""
    if frontend is None or not is_reference(frontend) or parse_reference(frontend).digest:
        return frontend
    digest = lock.pinned.get(reference_key(frontend))
    return f"{frontend}@{digest}" if digest else frontend


def syntax_arg(frontend: str | None) -> dict[str, str]:
    """The build arg that has a frontend run by the digest that its recipe holds; none where it holds no digest."""
    return {_SYNTAX_ARG: frontend} if frontend and "@sha256:" in frontend else {}
