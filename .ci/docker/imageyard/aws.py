"""The only place that imports boto3: a call of an AWS service, its refusals in our words."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from imageyard.errors import ConfigurationError, Denied, ImageyardError, NotFound, Transient

__all__ = ["KEPT", "AwsService", "Caller", "Keys", "Refused", "call", "has_keys", "machine_keys"]

_ABSENT = (
    "NotFoundException", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchKey", "NoSuchEntity",
    "OwnershipControlsNotFoundError", "NoSuchLifecycleConfiguration",
)  # fmt: skip
_DENIED = (
    "AccessDenied", "UnrecognizedClient", "ExpiredToken", "InvalidClientTokenId", "NotAuthorized", "Signature",
    "InvalidIdentityToken", "IDPRejectedClaim", "OptInRequired", "BlockedByOrganizationPolicy", "401", "403",
)  # fmt: skip
_WRONG = ("Validation", "InvalidParameter", "RegionDisabled", "MalformedPolicyDocument")
_MACHINE = ("assume-role-with-web-identity", "container-role", "iam-role")
"""botocore's names for credentials that a machine, a pod or a task was given (botocore, `credentials`)."""
_METADATA_PATIENCE = 2  # seconds, whole ones, for an answer that comes from the machine itself
_EARLY = timedelta(minutes=5)
_ENDED = ("ExpiredToken", "400")
"""How AWS says that a session has ended; to HEAD it answers without words (Amazon S3 API Reference, HeadObject)."""
_CONNECTIONS = 64
_BY_PATH: Any = {"addressing_style": "path"}
_WHO = "aws sts get-caller-identity    (who are you to AWS?)"


@dataclass(frozen=True)
class Keys:
    """Credentials that end by themselves."""

    id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.secret, self.token)

    def dumps(self) -> str:
        """As text, for a file that only its owner can read; `loads` reads it."""
        return json.dumps({"id": self.id, "secret": self.secret, "token": self.token}) + "\n"

    @classmethod
    def loads(cls, text: str) -> Keys:
        """The keys in a text of `dumps`. Raises ValueError for any other."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return cls(str(found.get("id")), str(found.get("secret")), str(found.get("token", "")))


KEPT = "IMAGEYARD_AWS_CREDENTIALS"
"""The variable that names the file with the keys of a login of this job, which go before all else."""

Caller: TypeAlias = Keys | Callable[[], Keys] | Literal["environment"]
"""Who calls: these keys; those of a function, which is asked again when they end; or botocore's chain (the environment,
the user's own files) without the machine's."""

Refused: TypeAlias = Callable[[str, str], ImageyardError | None]
"""The caller's own words for a refusal, by AWS's code and message; None where it has none."""


def call(
    service: str,
    operation: str,
    region: str,
    doing: str,
    *,
    caller: Caller = "environment",
    refused: Refused | None = None,
    **given: Any,
) -> Mapping[str, Any]:
    """One call at the endpoint of the environment; what may pass is tried five times, unless AWS_MAX_ATTEMPTS is set.

    Raises Denied where there are no credentials or they do not suffice, NotFound for what is not there,
    ConfigurationError for what AWS will never take, Transient for the rest; `refused` is asked first.
    """
    return AwsService(service, region, caller=caller).call(operation, doing, refused=refused, **given)


class AwsService:
    """One AWS service that is called often: its client is made once, and threads may share it.

    `endpoint` is the URL of a service that speaks the same protocol elsewhere; without it AWS is asked, or whom the
    environment names. `region` None is that of the environment.
    """

    def __init__(
        self, name: str, region: str | None, *, caller: Caller = "environment", endpoint: str | None = None
    ) -> None:
        self._name = name
        self._region = region
        self._caller: Caller = caller
        self._endpoint = endpoint
        self._client: Any = None
        self._ends: datetime | None = None
        self._lock = threading.Lock()

    def call(self, operation: str, doing: str, *, refused: Refused | None = None, **given: Any) -> Mapping[str, Any]:
        """One call, as `call` does it; the body of an answer, where it has one, is read whole into memory.

        It is made once more where a session has ended and its caller is a function. Raises what that raises, too.
        """
        from botocore import exceptions as wrong

        try:
            client = self._current()
            try:
                return _answer(client, operation, given)
            except wrong.ClientError as error:
                if not callable(self._caller) or not _said(error)[0].startswith(_ENDED):
                    raise
                return _answer(self._current(client), operation, given)
        except wrong.ClientError as error:
            code, words = _said(error)
            raise (refused and refused(code, words)) or _refusal(self._name, code, words, doing) from None
        except wrong.BotoCoreError as error:
            raise _unanswered(self._name, error, doing) from None

    def _current(self, ended: Any = None) -> Any:
        """The client, made anew where its keys end soon, or where it is the one whose keys are said to have ended."""
        with self._lock:
            if self._client is ended or (self._ends and self._ends - datetime.now(timezone.utc) < _EARLY):
                keys = self._caller() if callable(self._caller) else self._caller
                self._ends = keys.expires if isinstance(keys, Keys) and callable(self._caller) else None
                self._client = _client(self._name, self._region, keys, self._endpoint)
            return self._client


def _answer(client: Any, operation: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = getattr(client, operation)(**given)
    return {**answer, "Body": answer["Body"].read()} if "Body" in answer else answer


def has_keys() -> bool:
    """Whether the environment, or the user's own files, name credentials. Raises ConfigurationError as `call` does."""
    from botocore import exceptions as wrong

    try:
        return _own_chain(_session()).load_credentials() is not None
    except wrong.BotoCoreError as error:
        raise _unanswered("configuration", error, "looking for AWS credentials") from None


def machine_keys(doing: str) -> Keys | None:
    """The credentials that this machine, pod or task was given, None where there are none; asked for a few seconds.

    Raises Denied or Transient where they are promised and do not come.
    """
    from botocore import exceptions as wrong

    session = _session()
    session.set_config_variable("metadata_service_timeout", _METADATA_PATIENCE)
    session.set_config_variable("metadata_service_num_attempts", 2)
    chain = session.get_component("credential_provider")
    chain.providers = [one for one in chain.providers if one.METHOD in _MACHINE]
    try:
        found = chain.load_credentials()
        if found is None:
            return None
        frozen = found.get_frozen_credentials()
    except wrong.ClientError as error:
        raise _refusal("sts", *_said(error), doing) from None
    except wrong.BotoCoreError as error:
        raise _unanswered("metadata", error, doing) from None
    return Keys(frozen.access_key, frozen.secret_key, frozen.token or "", getattr(found, "_expiry_time", None))


def _client(service: str, region: str | None, caller: Keys | Literal["environment"], endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    session = _session()
    given: dict[str, Any] = {"config": Config(max_pool_connections=_CONNECTIONS)}
    if endpoint:  # of somebody who may have no names of buckets in the DNS
        given = {"endpoint_url": endpoint, "config": Config(max_pool_connections=_CONNECTIONS, s3=_BY_PATH)}
    caller = _kept() or caller if caller == "environment" else caller
    if isinstance(caller, Keys):
        given |= {"aws_access_key_id": caller.id, "aws_secret_access_key": caller.secret}
        given |= {"aws_session_token": caller.token} if caller.token else {}
    else:
        _own_chain(session)
    return boto3.session.Session(botocore_session=session, region_name=region).client(service, **given)


def _kept() -> Keys | None:
    """The keys that a login left for this job. Raises ConfigurationError where the file is not what was left."""
    path = os.environ.get(KEPT)
    if not path:
        return None
    try:
        return Keys.loads(Path(path).read_text())
    except (OSError, ValueError):
        raise ConfigurationError(f"{KEPT} names no credentials: {path}", hint="inv login") from None


def _own_chain(session: Any) -> Any:
    """The session's chain of credentials without those of the machine, which nobody asked for."""
    chain = session.get_component("credential_provider")
    for name in ("container-role", "iam-role"):
        chain.remove(name)
    return chain


def _session() -> Any:
    """A session whose clients, those of its credentials' providers too, are bounded in time and in tries."""
    import botocore.session
    from botocore.config import Config

    retries: Any = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = 5
    session = botocore.session.Session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    session.set_default_client_config(Config(connect_timeout=10, read_timeout=30, retries=retries))
    if not session.get_config_variable("ca_bundle") and os.environ.get("SSL_CERT_FILE"):
        session.set_config_variable("ca_bundle", os.environ["SSL_CERT_FILE"])
    return session


@cache
def _loader(folders: str | None) -> Any:
    """What reads the descriptions of services: that takes longer than a call, so each is read once."""
    from botocore.loaders import create_loader

    return create_loader(folders)


def _said(error: Any) -> tuple[str, str]:
    """AWS's code and message; of a page of some proxy, its status and where it begins."""
    found = error.response["Error"]
    return found["Code"], " ".join(str(found.get("Message", "")).split())[:500]


def _refusal(service: str, code: str, words: str, doing: str) -> ImageyardError:
    text = f"AWS {service} answers {code}: {words}"
    if code.endswith(_ABSENT):
        return NotFound(text, doing=doing)
    if any(word in code for word in _DENIED):
        return Denied(text, doing=doing, hint=_WHO)
    if code.startswith(_WRONG):
        return ConfigurationError(text, doing=doing)
    return Transient(text, doing=doing, hint="run it again")


def _unanswered(service: str, error: Exception, doing: str) -> ImageyardError:
    from botocore import exceptions as wrong

    match error:
        case wrong.NoCredentialsError():
            return Denied("there are no AWS credentials", doing=doing, hint=_WHO)
        case wrong.PartialCredentialsError() | wrong.ProfileNotFound() | wrong.ConfigParseError():
            return ConfigurationError(f"your AWS configuration cannot be used: {error}", doing=doing)
        case wrong.SSOError() | wrong.LoginError() | wrong.TokenRetrievalError():
            return Denied(f"your AWS login has ended: {error}", doing=doing, hint="aws sso login")
        case wrong.CredentialRetrievalError() | wrong.MetadataRetrievalError():
            return Denied(f"AWS credentials did not come: {error}", doing=doing, hint=_WHO)
        case wrong.ParamValidationError() | wrong.InvalidRegionError() | wrong.UnknownRegionError():
            return ConfigurationError(f"AWS {service} does not take this: {error}", doing=doing)
        case wrong.SSLError():
            hint = "point AWS_CA_BUNDLE or SSL_CERT_FILE at the CA bundle of your network"
            return Transient(f"AWS {service} was not reached: {error}", doing=doing, hint=hint)
        case _:
            return Transient(f"AWS {service} was not reached: {error}", doing=doing, hint="run it again")
