"""The plug for base images that are made on this machine, where no hub can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from imageyard.catalogue.base_config import BaseConfig
from imageyard.console import Story
from imageyard.names import Arch, Digest, Reference

__all__ = ["Locked", "StandIns"]


class Locked(Protocol):
    """Digests by reference, configs of images by digest and platform, and epochs by image, as a lock file has them."""

    @property
    def pinned(self) -> Mapping[str, Digest]:
        """The reference as written in the file, and its digest."""

    @property
    def configs(self) -> Mapping[Digest, Mapping[str, BaseConfig]]:
        """What is known of images that Dockerfiles start from."""

    @property
    def epochs(self) -> Mapping[str, str]:
        """The epoch of each image that has one of its own, and that of all others (`catalogue.lock_epochs`)."""


class StandIns(Protocol):
    """What recipes and builds ask about stand-ins: `names` are those that a Dockerfile pulls from."""

    def pinned(self, arch: Arch) -> Locked:
        """The digests of the stand-ins of an architecture; a value that pins others is another value."""

    def served(self, name: str, digest: Digest) -> Reference:
        """The reference that a builder can pull a stand-in from. Raises EnvironmentLacks where nothing serves it."""

    def make(self, reporter: Story, names: Iterable[str], arch: Arch) -> StandIns:
        """Make the stand-ins that are missing, none where the hub answers, and return the value that pins them too.

        Raises EnvironmentLacks with what to type.
        """
