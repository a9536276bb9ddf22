"""The frontend that reads a Dockerfile, named by `# syntax=` or by the arg BUILDKIT_SYNTAX, and bound to a digest."""

from __future__ import annotations

from imageyard.catalogue.lock import reference_key
from imageyard.names import parse_reference
from imageyard.recipe.dockerfile.references import is_reference
from imageyard.recipe.stand_ins import Locked

__all__ = ["SYNTAX_ARG", "pinned_frontend", "syntax_arg"]

SYNTAX_ARG = "BUILDKIT_SYNTAX"
"""The build arg that names a frontend; it goes before `# syntax=` (BuildKit, frontend/dockerfile/builder/build.go)."""


def pinned_frontend(frontend: str | None, lock: Locked) -> str | None:
    """A frontend by digest, where the lock pins it; else as it is written."""
    if frontend is None or not is_reference(frontend) or parse_reference(frontend).digest:
        return frontend
    digest = lock.pinned.get(reference_key(frontend))
    return f"{frontend}@{digest}" if digest else frontend


def syntax_arg(frontend: str | None) -> dict[str, str]:
    """The build arg that has a frontend run by the digest that its recipe holds; none where it holds no digest."""
    return {SYNTAX_ARG: frontend} if frontend and "@sha256:" in frontend else {}
