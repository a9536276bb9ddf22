"""A bucket as a section of the catalogue names it, and who asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imageyard.access import aws_role
from imageyard.access.step_environment import ROLE
from imageyard.aws import AwsService, Caller, Keys
from imageyard.bucket.objects import Bucket

if TYPE_CHECKING:
    from imageyard.run.services import Services

__all__ = ["bucket_of"]

_SESSION = 3600.0
"""Seconds that a role's session lasts; what takes longer takes the role again."""


def bucket_of(settings: Mapping[str, Any], services: Services) -> Bucket:
    """The bucket of a section with `bucket`, `prefix`, `region`, `endpoint` and `role`.

    A job that has an identity takes the role that its login was told, none where that was empty, else the section's:
    when the bucket is asked for the first time, and again before its session ends. Asking raises Denied or Transient
    where the role is refused.
    """
    caller: Caller = "environment"
    if (role := os.environ.get(ROLE, settings.get("role"))) and services.provider.has_identity():
        chosen = {"region": settings.get("region", "us-east-1"), "duration": _SESSION}
        http, hide = services.registry().http, services.reporter.mask

        def caller() -> Keys:
            return aws_role.assume(role, chosen, services.provider, http, hide).keys

    service = AwsService("s3", settings.get("region"), caller=caller, endpoint=settings.get("endpoint"))
    return Bucket(service, str(settings["bucket"]), str(settings.get("prefix", "")))
