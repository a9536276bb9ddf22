"""The stand-ins of the local stack, behind the plug that recipes and builds ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from imageyard.catalogue.base_config import BaseConfig
from imageyard.names import platform_of
from imageyard.stack.bases_lock import ENVIRONMENT, read_lock
from imageyard.stack.state import Folders

if TYPE_CHECKING:
    from imageyard.catalogue.lock import Lock
    from imageyard.console import Story
    from imageyard.names import Arch, Digest, Reference

__all__ = ["LocalStandIns", "read_stand_ins"]


@dataclass(frozen=True)
class LocalStandIns:
    """The stand-ins of this user's local stack; `lock_of` gives the `bases.lock` of an architecture, read once.

    A `recipe.stand_ins.StandIns`.
    """

    lock_of: Callable[[Arch], Lock]

    def pinned(self, arch: Arch) -> Lock:
        """The digests and the configs of the stand-ins of an architecture: `push_root` gives all the same.

        Raises ConfigurationError for a `bases.lock` that cannot be read.
        """
        lock = self.lock_of(arch)
        config = {platform_of(arch): BaseConfig(ENVIRONMENT)}
        return replace(lock, configs=dict.fromkeys(lock.pinned.values(), config))

    def served(self, name: str, digest: Digest) -> Reference:
        """The reference that the stack's registry serves a stand-in under. Raises EnvironmentLacks if none runs."""
        from imageyard.stack import local

        return local.served(name, digest)

    def make(self, reporter: Story, names: Iterable[str], arch: Arch) -> LocalStandIns:
        """Make the stand-ins that are missing, as `local.ensure_bases` does, and read again which there are."""
        from imageyard.stack import local

        local.ensure_bases(reporter, names, arch)
        return read_stand_ins()


def read_stand_ins() -> LocalStandIns:
    """Give the stand-ins that this machine has: what is read of an architecture is read when it is asked for."""
    return LocalStandIns(lru_cache(maxsize=None)(lambda arch: read_lock(Folders.of_user(), arch)))
