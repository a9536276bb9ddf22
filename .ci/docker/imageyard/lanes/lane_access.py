"""Who acts in the bucket of lanes: a job with the role that the catalogue derives, or a person with their own keys."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from pathlib import Path

from imageyard.access import aws_role
from imageyard.aws import AwsService, Caller, Keys
from imageyard.bucket.objects import Bucket
from imageyard.ci.providers.base import Provider
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.http.transport import Http
from imageyard.lanes.model import LaneCatalogue
from imageyard.lanes.origin import Origin, origin_of
from imageyard.lanes.signing import origin_in

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

    def origin(self, file: Path | None) -> Origin:
        """Where files of this run come from: what the job's token claims, or what a file of claims says elsewhere.

        Raises ConfigurationError for both at once and for claims that are missing, EnvironmentLacks for neither, and as
        `by` does.
        """
        if not self._provider.has_identity():
            if file is None:
                hint = (
                    "name a file of claims: --origin FILE; or leave the key out, where the channel does not demand it"
                )
                raise EnvironmentLacks("nobody says where the files come from, which a signature is about", hint=hint)
            return origin_in(file)
        if file is not None:
            hint = "leave --origin out: the job's token says it"
            raise ConfigurationError("a job with an identity says by itself where its files come from", hint=hint)
        claims = self._provider.identity_token(_AUDIENCE, self._http, self._hide).claims
        return origin_of(claims, "the token of this job")

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
