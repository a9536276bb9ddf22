"""Who acts in the bucket of lanes: a job with the role that the catalogue derives, or a person with their own keys."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping

from imageyard.access import aws_role
from imageyard.aws import AwsService, Caller, Keys
from imageyard.bucket.objects import Bucket
from imageyard.ci.providers.base import Provider
from imageyard.http.transport import Http
from imageyard.lanes.model import LaneCatalogue

__all__ = ["LaneAccess"]

_AUDIENCE = "sts.amazonaws.com"
_SESSION = 3600.0
"""Seconds that a role's session lasts; what takes longer takes the role again."""
_CLAIMS = ("repository", "repository_id", "job_workflow_ref", "ref", "sha", "run_id", "run_attempt", "actor")
"""What a statement has of the claims of a job's token (GitHub Docs, "OpenID Connect reference")."""


class LaneAccess:
    """The bucket of lanes, and who asks it; `hide` hears of each secret before it is used."""

    def __init__(self, found: LaneCatalogue, provider: Provider, http: Http, hide: Callable[[str], None]) -> None:
        self._found = found
        self._provider = provider
        self._http = http
        self._hide = hide

    def bucket(self, role: str | None) -> Bucket:
        """The bucket, as a role by its name sees it; None for the keys of the environment.

        A job that has an identity takes the role when the bucket is asked for the first time; anybody else has the keys
        of the environment. Asking raises Denied or Transient where the role is refused.
        """
        caller: Caller = "environment"
        if role and self._provider.has_identity():
            chosen = {"region": self._found.region, "duration": _SESSION}
            arn = self._found.role_arn(role)

            def caller() -> Keys:
                return aws_role.assume(arn, chosen, self._provider, self._http, self._hide).keys

        return Bucket(AwsService("s3", self._found.region, caller=caller), self._found.bucket)

    def by(self) -> Mapping[str, str]:
        """Who this is, for the statement beside a file: the claims of the job's token, else the user.

        Raises EnvironmentLacks, Denied or Transient where the job gets no token.
        """
        if not self._provider.has_identity():
            return {"system": self._provider.name if self._provider.runs_us else "local", "user": self._user()}
        claims = self._provider.identity_token(_AUDIENCE, self._http, self._hide).claims
        return {"system": self._provider.name, **{name: claims[name] for name in _CLAIMS if name in claims}}

    def by_in_words(self) -> str:
        """Who this is, for a request: who started the job and where it is, else the user."""
        if self._provider.runs_us:
            return f"{self._provider.actor() or 'nobody'} {self._provider.run_address()}"
        return f"{self._user()} local"

    def _user(self) -> str:
        if self._provider.runs_us:
            return self._provider.actor() or "nobody"
        try:
            return getpass.getuser()
        except (OSError, KeyError):  # a number without a name, as in containers
            return "nobody"
