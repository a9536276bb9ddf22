"""What is asked of a registry's vendor beyond what the OCI distribution specification has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from imageyard.names import Reference

__all__ = ["AnyVendor", "Vendor"]


class Vendor(Protocol):
    """The habits of one kind of registry. An answer None says that the vendor has no such thing."""

    deletion_hint: str

    def refuse_immutable(self, target: Reference) -> None:
        """Raise PolicyRefused where the tag of `target` cannot be given to another image."""

    def pushed_at(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime] | None:
        """When what each tag names was pushed last."""

    def untag(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, str] | None:
        """Take tags away, one by one; the vendor's words for each tag that it kept. None: deletion is by digest."""

    @property
    def untags(self) -> bool:
        """Whether a tag can be taken away while another keeps the same manifest."""


class AnyVendor:
    """A registry that does what the specification says, and nothing more."""

    deletion_hint = "deletion may be switched off there"
    untags = False

    def refuse_immutable(self, target: Reference) -> None:
        """Nothing is known before the tag is moved: the registry answers then."""

    def pushed_at(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime] | None:
        """No such registry keeps when an image was pushed."""
        return None

    def untag(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, str] | None:
        """Tags go with their manifest, which is deleted by its digest (OCI distribution-spec 1.1, "Deleting tags")."""
        return None
