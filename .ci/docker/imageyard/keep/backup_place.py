"""Where the catalogue has copies of images kept: its bucket, for how long, and who asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError
from imageyard.keep.bucket_section import bucket_of

if TYPE_CHECKING:
    from imageyard.bucket.objects import Bucket
    from imageyard.catalogue.model import Catalogue
    from imageyard.run.services import Services

__all__ = ["LIFETIME", "BackupPlace", "backup_place"]

LIFETIME = timedelta(days=30)
"""How long a backup is kept where the catalogue does not say."""


@dataclass(frozen=True)
class BackupPlace:
    """The bucket of the catalogue, and how long a backup lives in it."""

    bucket: Bucket
    lifetime: timedelta


def backup_place(catalogue: Catalogue, services: Services) -> BackupPlace:
    """The place of the catalogue's section `backup`; a job that has an identity takes its own role, or the section's,
    when the bucket is asked for the first time, and again before its session ends.

    Raises ConfigurationError where the catalogue has no such section. Asking the bucket raises Denied or Transient
    where the role is refused.
    """
    settings = catalogue.settings.get("backup")
    if not isinstance(settings, Mapping):
        raise ConfigurationError(
            "the catalogue names no bucket for backups",
            at=catalogue.file,
            hint="add to it: backup: {bucket: NAME, region: REGION}",
        )
    lifetime = timedelta(seconds=settings["lifetime"]) if "lifetime" in settings else LIFETIME
    return BackupPlace(bucket_of(settings, services), lifetime)
