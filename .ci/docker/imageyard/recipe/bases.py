"""What the images that a row's stages start from leave to it: parents by their recipes, bases by what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imageyard.catalogue.base_config import BaseConfig
from imageyard.catalogue.model import Row
from imageyard.names import platform_of
from imageyard.recipe.dockerfile.evaluate import ImageUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.references import familiar, is_reference
from imageyard.recipe.dockerfile.stages import Inherited
from imageyard.recipe.sources import Binder, named_contexts

__all__ = ["RowBases", "inherited"]


@dataclass(frozen=True)
class RowBases:
    """Answers for one row what `evaluate` asks. `parents` and `contexts` are by familiar name.

    Where `assumes`, nothing is undecided: what is not known of a base is taken for nothing.
    """

    parents: Mapping[str, Inherited]
    contexts: Mapping[str, str]
    platform: str
    binder: Binder
    assumes: bool = False

    @classmethod
    def of(cls, row: Row, parents: Mapping[str, Inherited], binder: Binder, *, assumes: bool = False) -> RowBases:
        """Make those of a row."""
        return cls(parents, named_contexts(row.image.contexts), platform_of(row.arch), binder, assumes)

    def left_by(self, image: str, platform: str) -> Inherited:
        """What an image leaves to a stage that starts from it on a platform, the row's where it is empty."""
        if not is_reference(image):
            return Inherited()  # refused where it is bound
        name = familiar(image)
        if name not in self.contexts and name in self.parents:
            return self.parents[name]
        try:
            config = self._config(name, platform)
        except Fault:
            return Inherited()  # as above
        if config is None:
            return Inherited(unknown=() if self.assumes else (name,))
        return inherited(config)

    def unasked(self, uses: Iterable[ImageUse]) -> tuple[str, ...]:
        """Those of the images that stages start from of which nobody has asked what they leave."""
        names = {familiar(use.name): use.platform for use in uses}
        mine = {name: at for name, at in names.items() if name in self.contexts or name not in self.parents}
        return tuple(name for name, platform in mine.items() if self._config(name, platform) is None)

    def _config(self, name: str, platform: str) -> BaseConfig | None:
        return self.binder.config(name, platform or self.platform, self.contexts)


def inherited(config: BaseConfig) -> Inherited:
    """What an image of this config leaves."""
    variables = (variable.partition("=") for variable in config.env)
    return Inherited({name: value for name, _, value in variables}, config.on_build)
