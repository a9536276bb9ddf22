"""What the names that a Dockerfile pulls from are bound to: a locked digest, a parent's recipe, a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imageyard.recipe.dockerfile.evaluate import ImageUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.references import familiar, reference
from imageyard.recipe.model import Source
from imageyard.recipe.stand_ins import Locked

__all__ = ["IMAGE_SCHEME", "Binder"]

IMAGE_SCHEME = "docker-image://"


class Binder:
    """Binds names; the locks' references are read once."""

    def __init__(self, lock: Locked, stand_ins: Locked) -> None:
        self._locks: tuple[tuple[str, Mapping[str, str]], ...] = (
            ("locked", {familiar(name): digest for name, digest in lock.pinned.items()}),
            ("standin", {familiar(name): digest for name, digest in stand_ins.pinned.items()}),
        )

    def bind(
        self,
        use: ImageUse,
        *,
        platform: str,
        contexts: Mapping[str, str],
        parents: Mapping[str, Callable[[], str]],
    ) -> Source:
        """What a name is bound to.

        `contexts` are the row's named contexts by familiar name, `parents` gives the recipe ids of its parents by
        image name. Raises Fault for a name that is no reference, and a parent wanted for another platform.
        """
        name = familiar(use.name)
        given = contexts.get(name)
        if given is not None and not given.startswith(IMAGE_SCHEME):
            return Source(name, "directory", given)
        if given is None and name in parents:
            if use.platform and _normal(use.platform) != platform:
                raise Fault(
                    f"{name} is a parent image, and --platform={use.platform} is not this row's {platform}",
                    "a parent is built for the architecture of its child: remove --platform",
                )
            return Source(name, "parent", parents[name]())
        return self._image(name, familiar(given.removeprefix(IMAGE_SCHEME)) if given else name)

    def _image(self, name: str, image: str) -> Source:
        if own := reference(image).digest:
            return Source(name, "locked", own)
        for kind, pinned in self._locks:
            if digest := pinned.get(image):
                return Source(name, "locked" if kind == "locked" else "standin", digest)
        return Source(name, "unlocked", image)


def _normal(platform: str) -> str:
    """`linux/arm64` for `linux/arm64/v8`, as containerd's platforms.Normalize has it."""
    return platform.lower().removesuffix("/v8") if "arm64" in platform.lower() else platform.lower()
