"""What an image says of itself: its name, its recipe, where its source is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imageyard import git

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe

__all__ = ["IMAGE_LABEL", "INPUTS_LABEL", "RUN_LABEL", "VERSION_LABEL", "of", "source_of"]

IMAGE_LABEL = "io.imageyard.image"
"""On every image that we load: the image's name."""
RUN_LABEL = "io.imageyard.run"
"""On every container that we start: the run's id."""

INPUTS_LABEL = "io.imageyard.inputs"
"""On every image that we build: `Recipe.inputs`. Not the recipe's id: one build for several platforms has one label."""

VERSION_LABEL = "io.imageyard.recipe-version"
"""On every image that we build: `Recipe.v`, by which retention tells whose tags it can compute."""

_URL = re.compile(r"(?:https?|ssh|git)://(?:[^/@]*@)?(?P<host>[A-Za-z0-9.-]+)(?::[0-9]+)?/(?P<path>[^?#\s]+)")
_SCP = re.compile(r"(?:[^/@:\s]+@)?(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+):(?P<path>[^/:?#\s][^:?#\s]*)")


def of(project: Project, row: Row, recipe: Recipe) -> dict[str, str]:
    """The labels of a row's image. Never the commit, which would give one tag several digests: the record has it.

    Nor the source where the image is to be reproducible: a fork is cloned from elsewhere, and its inputs are the same.
    """
    found = {
        IMAGE_LABEL: row.name,
        INPUTS_LABEL: recipe.inputs,
        VERSION_LABEL: str(recipe.v),
        "org.opencontainers.image.title": row.name,  # OCI image-spec 1.1, annotations.md
    }
    if not row.image.reproducible and (source := source_of(git.origin(project.top))):
        found["org.opencontainers.image.source"] = source
    return found


def source_of(url: str) -> str:
    """The address at which a browser finds a remote of git, without credentials; empty for one that has none."""
    match = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if not match:
        return ""
    path = match["path"].strip("/").removesuffix(".git")
    return f"https://{match['host']}/{path}" if path and "@" not in path else ""
