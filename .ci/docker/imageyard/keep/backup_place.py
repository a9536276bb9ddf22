"""Where the catalogue has copies of images kept: its bucket, for how long, and who asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from imageyard.access import aws_role
from imageyard.access.step_environment import ROLE
from imageyard.aws import AwsService, Caller
from imageyard.bucket.objects import Bucket
from imageyard.errors import ConfigurationError

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.run.services import Services

__all__ = ["LIFETIME", "BackupPlace", "backup_place"]

LIFETIME = timedelta(days=30)
"""How long a backup is kept where the catalogue does not say."""
_SESSION = 3600.0


@dataclass(frozen=True)
class BackupPlace:
    """The bucket of the catalogue, and how long a backup lives in it."""

    bucket: Bucket
    lifetime: timedelta


def backup_place(catalogue: Catalogue, services: Services) -> BackupPlace:
    """The place of the catalogue's section `backup`; a job that has an identity takes its own role, or the section's.

    Raises ConfigurationError where the catalogue has no such section, Denied or Transient where the role is refused.
    """
    settings = catalogue.settings.get("backup")
    if not isinstance(settings, Mapping):
        raise ConfigurationError(
            "the catalogue names no bucket for backups",
            at=catalogue.file,
            hint="add to it: backup: {bucket: NAME, region: REGION}",
        )
    caller: Caller = "environment"
    if (role := os.environ.get(ROLE) or settings.get("role")) and services.provider.has_identity():
        chosen = {"region": settings.get("region", "us-east-1"), "duration": _SESSION}
        caller = aws_role.assume(role, chosen, services.provider, services.registry().http, services.reporter.mask).keys
    service = AwsService("s3", settings.get("region"), caller=caller, endpoint=settings.get("endpoint"))
    lifetime = timedelta(seconds=settings["lifetime"]) if "lifetime" in settings else LIFETIME
    return BackupPlace(Bucket(service, str(settings["bucket"]), str(settings.get("prefix", ""))), lifetime)
