"""What the names that a Dockerfile pulls from are bound to: a locked digest, a parent's recipe, a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imageyard.catalogue.base_config import BaseConfig
from imageyard.catalogue.lock import Lock
from imageyard.names import normal_platform, parse_digest
from imageyard.recipe.dockerfile.evaluate import ImageUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.references import familiar, reference
from imageyard.recipe.model import Source
from imageyard.recipe.stand_ins import Locked

__all__ = ["IMAGE_SCHEME", "Binder", "named_contexts"]

IMAGE_SCHEME = "docker-image://"


def named_contexts(contexts: Mapping[str, str]) -> dict[str, str]:
    """An image's `contexts` by familiar name, under which BuildKit looks for them."""
    return {familiar(name): where for name, where in contexts.items()}


class Binder:
    """Binds names; the locks' references are read once. `has_triggers`: a base that was asked has ONBUILD triggers.

    `assumed` pins what bases are taken for that no lock pins, as far as it is asked what they leave.
    """

    def __init__(self, lock: Locked, stand_ins: Locked, assumed: Locked | None = None) -> None:
        assumed = assumed or Lock()
        self._configs = {**assumed.configs, **stand_ins.configs, **lock.configs}
        self.has_triggers = any(
            each.on_build for by_platform in self._configs.values() for each in by_platform.values()
        )
        self._assumed = {familiar(name): digest for name, digest in assumed.pinned.items()}
        self._locks: tuple[tuple[str, Mapping[str, str]], ...] = (
            ("locked", {familiar(name): digest for name, digest in lock.pinned.items()}),
            ("standin", {familiar(name): digest for name, digest in stand_ins.pinned.items()}),
        )

    def config(self, name: str, platform: str, contexts: Mapping[str, str]) -> BaseConfig | None:
        """The config of a base by its familiar name, None where it was not asked for; a folder's says nothing.

        `contexts` are as for `bind`. Raises Fault where one is no reference.
        """
        given = contexts.get(name)
        if given is not None and not given.startswith(IMAGE_SCHEME):
            return BaseConfig()
        source = self._image(name, familiar(given.removeprefix(IMAGE_SCHEME)) if given else name)
        digest = self._assumed.get(source.value) if source.kind == "unlocked" else parse_digest(source.value)
        return self._configs[digest].get(normal_platform(platform)) if digest in self._configs else None

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
            if use.platform and normal_platform(use.platform) != platform:
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
