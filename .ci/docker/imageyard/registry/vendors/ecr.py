"""What only Amazon's registry has: passwords from its API, repositories that must be made, and whether tags move."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from imageyard import aws
from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.names import Reference
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors.base import Password

__all__ = ["MOVING", "account_of", "log_in", "make_repository", "refuse_immutable", "region_of"]

_HOST = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)")

MOVING = ("sha256-*", "*-weekly-*")
"""Tags that move where content tags are held: lists of referrers at registries that keep none, and canaries."""


def region_of(host: str) -> str | None:
    """The region in the name of an ECR registry, None for any other host."""
    match = _HOST.fullmatch(host)
    return match["region"] if match else None


def account_of(host: str) -> str | None:
    """The account in the name of an ECR registry, None for any other host."""
    match = _HOST.fullmatch(host)
    return match["account"] if match else None


def log_in(region: str, caller: aws.Caller) -> Password:
    """A password for every registry of the region that the caller may use (Amazon ECR API, GetAuthorizationToken).

    Raises Denied, naming the permission that is missing, and Transient.
    """
    doing = f"getting a password from ECR in {region}"

    def refused(code: str, words: str) -> ImageyardError | None:
        hint = 'the policy of the role must allow ecr:GetAuthorizationToken on "*"'
        return Denied(f"AWS ecr answers {code}: {words}", doing=doing, hint=hint) if "AccessDenied" in code else None

    answer = aws.call("ecr", "get_authorization_token", region, doing, caller=caller, refused=refused)
    try:
        given: Mapping[str, Any] = answer["authorizationData"][0]
        user, colon, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
        host = urlsplit(given["proxyEndpoint"]).netloc
    except (LookupError, binascii.Error, UnicodeDecodeError):
        user = colon = password = host = ""
    if not (colon and host):
        raise Transient("AWS ecr gave no password", doing=doing, hint="run it again")
    return Password(host, Credential(user, password), given.get("expiresAt"))


def make_repository(
    repository: Reference, region: str, caller: aws.Caller, *, held: bool, tags: Mapping[str, str] | None = None
) -> bool:
    """Make a repository unless it is there; `held`: no content tag in it can be moved. Returns whether it was made.

    `tags` are those of the resource at AWS, and not of images.

    Raises Denied, naming the permission that is missing, EnvironmentLacks where the account may have no more.
    """
    doing = f"making the repository {repository.name}"
    match = _HOST.fullmatch(repository.registry)
    account = {"registryId": match["account"]} if match else {}
    region = match["region"] if match else region

    def refused(code: str, words: str) -> ImageyardError | None:
        text = f"AWS ecr answers {code}: {words}"
        arn = f"arn:aws:ecr:{region}:{match['account'] if match else '*'}:repository/{repository.repository}"
        if code == "RepositoryAlreadyExistsException":
            return _There(text)
        if code == "LimitExceededException":
            return EnvironmentLacks(text, doing=doing, hint="delete repositories, or ask AWS for a higher quota")
        if "AccessDenied" in code:
            wanted = f"the policy of the role must allow ecr:DescribeRepositories and ecr:CreateRepository on {arn}"
            return Denied(text, doing=doing, hint=(wanted, "or leave out `create: yes` and make it yourself"))
        return None

    try:
        names = [repository.repository]
        aws.call(
            "ecr",
            "describe_repositories",
            region,
            doing,
            caller=caller,
            refused=refused,
            repositoryNames=names,
            **account,
        )
        return False
    except NotFound:
        pass
    try:
        name = repository.repository
        aws.call(
            "ecr",
            "create_repository",
            region,
            doing,
            caller=caller,
            refused=refused,
            repositoryName=name,
            **_settings(held, tags or {}),
            **account,
        )
    except _There:
        return False
    return True


def _settings(held: bool, tags: Mapping[str, str]) -> dict[str, Any]:
    """What a new repository is made with (Amazon ECR API, CreateRepository)."""
    tagged: dict[str, Any] = {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
    if not held:
        return {"imageTagMutability": "MUTABLE", **tagged}
    filters = [{"filterType": "WILDCARD", "filter": one} for one in MOVING]
    return {
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters,
        **tagged,
    }


class _There(ImageyardError):
    """Another run was faster."""


def refuse_immutable(target: Reference) -> None:
    """Raise PolicyRefused where `target`'s repository holds its tags fast; other registries say so when asked to move.

    Mutability may have exceptions by name with `*` (Amazon ECR API, DescribeRepositories, `imageTagMutability` and
    `imageTagMutabilityExclusionFilters`). Raises Denied and Transient where ECR does not answer.
    """
    match = _HOST.fullmatch(target.registry)
    if not match:
        return
    try:
        answer = aws.call(
            "ecr",
            "describe_repositories",
            match["region"],
            f"asking whether tags of {target.name} can be moved",
            registryId=match["account"],
            repositoryNames=[target.repository],
        )
    except NotFound:
        return
    found = answer["repositories"][0]
    held = found.get("imageTagMutability", "MUTABLE").startswith("IMMUTABLE")
    filters = found.get("imageTagMutabilityExclusionFilters") or ()
    if any(fnmatchcase(target.tag or "", one["filter"]) for one in filters):
        held = not held
    if held:
        raise PolicyRefused(
            f"{target.name} holds its tags fast: {target.tag} cannot be moved",
            doing="publishing with --force",
            hint="raise `epoch` in the catalogue, which gives the same inputs a new tag",
        )
