"""The grammar of `lanes.yml` in one table, of the kinds that the catalogue of images is made of."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Decimal
from typing import NamedTuple

from imageyard.catalogue import scalars
from imageyard.catalogue.forms import DURATION, FILLED, LANE_NAME, REPOSITORY, words
from imageyard.catalogue.kinds import Either, Field, ListOf, MapOf, RecordKind, Scalar
from imageyard.catalogue.scalars import FieldFault
from imageyard.lanes.signatures import PublicKey, public_key
from imageyard.lanes.standard import normal_name

__all__ = ["TOP", "NamedRepository", "package_name", "workflow_repository"]

_NAME_OF_KEY = r"[a-z0-9]+(-[a-z0-9]+)*"
_OWNED = r"[A-Za-z0-9_-]+/(?!\.{1,2}(?:@|/|$))[A-Za-z0-9._-]+"
_REPOSITORY = re.compile(rf"(?P<name>{_OWNED})(@(?P<number>[1-9][0-9]*))?")
_WORKFLOW = re.compile(
    rf"(?P<repository>{_OWNED})/(?P<path>[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\.ya?ml)@(?P<ref>[A-Za-z0-9._/-]+)"
)
_WHOLE_REF = re.compile(r"refs/(heads|tags)/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*|[0-9a-f]{40}")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SIZE = re.compile(r"([1-9][0-9]{0,6})(MiB|GiB|TiB)")
_UNITS = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class NamedRepository(NamedTuple):
    """A repository as a person names it: `name` is OWNER/NAME, `number` None where it was left out."""

    name: str
    number: str | None


def _repository(text: str) -> NamedRepository:
    """OWNER/NAME or OWNER/NAME@NUMBER. Nothing that IAM would take for a pattern can stand in it."""
    match = _REPOSITORY.fullmatch(text)
    if not match:
        raise FieldFault(f"{text[:80]!r} is not a repository", "write it as OWNER/NAME@NUMBER")
    return NamedRepository(match["name"], match["number"])


def _number(text: str) -> str:
    if not re.fullmatch("[1-9][0-9]*", text):
        raise FieldFault(f"{text[:80]!r} is not the number of a repository", "gh api repos/OWNER/NAME --jq .id")
    return text


def _workflow(text: str) -> str:
    """A workflow file at a ref, as a token states it: OWNER/NAME/PATH@REF, the ref whole."""
    match = _WORKFLOW.fullmatch(text)
    if not match:
        raise FieldFault(f"{text[:120]!r} is not a workflow", "write it as OWNER/NAME/PATH.yml@refs/heads/BRANCH")
    if not _WHOLE_REF.fullmatch(match["ref"]):
        hint = f"write {match['repository']}/{match['path']}@refs/heads/{match['ref']}, or @refs/tags/TAG"
        raise FieldFault(f"{match['ref'][:80]!r} is not a whole ref, which tokens state", hint)
    return text


def workflow_repository(workflow: str) -> str:
    """The repository, OWNER/NAME, that a workflow is a file of."""
    match = _WORKFLOW.fullmatch(workflow)
    assert match
    return match["repository"]


def package_name(text: str) -> str:
    """A project's name in its normal form (packaging.python.org, "Names and normalization"). Raises FieldFault."""
    if not _PACKAGE.fullmatch(text):
        raise FieldFault(f"{text[:80]!r} is not the name of a package")
    return normal_name(text)


def _size(text: str) -> int:
    """Bytes, from a whole number and a unit of powers of 1024."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise FieldFault(f"{text[:80]!r} is not a size", "write it as 500MiB, 50GiB or 2TiB")
    return int(match[1]) * _UNITS[match[2]]


def _price(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise FieldFault(f"{text[:80]!r} is not a price", "write what a GiB costs in a month, such as 0.023")
    return Decimal(text)


def _public_key(text: str) -> PublicKey:
    if (key := public_key(text)) is None:
        hint = "openssl pkey -in lane.pem -pubout -outform DER | base64 -w0"
        raise FieldFault(f"{text[:80]!r} is no public key of Ed25519 or P-256", hint)
    return key


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise FieldFault(f"{text[:80]!r} is no time", "write it in UTC, as 2026-12-31T00:00:00Z") from None


_ENVIRONMENT = Scalar("an environment", scalars.pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "an environment"))
_WORKFLOW_FORM = Scalar("a workflow", _workflow)
_QUOTA = Scalar("a size", _size)
_REPOSITORY_FORM = Scalar("a repository, OWNER/NAME@NUMBER,", _repository)
_COUNT = Scalar("a whole number", scalars.pattern("[1-9][0-9]{0,3}", "a whole number from 1 to 9999"))
_URL = Scalar(
    "a URL", scalars.pattern(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/", "https://HOST/PATH/")
)
_PROVENANCE = Field(
    words("required", "optional", "none"), "whether files are listed without signed provenance; optional unless told"
)

_JOB = RecordKind(
    "a job",
    {
        "workflow": Field(_WORKFLOW_FORM, "the workflow, OWNER/NAME/PATH@REF"),
        "environment": Field(_ENVIRONMENT, "the environment that the job is in"),
    },
)

_KEY_FORM = Scalar("a public key", _public_key)
_KEY = RecordKind(
    "a key",
    {
        "key": Field(_KEY_FORM, "the public key, in base64", required=True),
        "until": Field(Scalar("a time", _moment), "when it was no longer used: later provenance of it is refused"),
        "repository": Field(
            Scalar("a repository", scalars.pattern(_OWNED, "a repository, OWNER/NAME")),
            "what the repository was called when it was used",
        ),
        "workflow": Field(_WORKFLOW_FORM, "the workflow that uploaded when it was used"),
    },
)

_LANE = RecordKind(
    "a lane",
    {
        "repository": Field(_REPOSITORY_FORM, "whose jobs publish: OWNER/NAME, or OWNER/NAME@NUMBER", required=True),
        "repository_id": Field(
            Scalar("a number", _number), "its number, which no other repository ever has, where it is not in the name"
        ),
        "packages": Field(
            ListOf(Scalar("the name of a package", package_name)), "packages that it publishes; [NAME] unless told"
        ),
        "tracks": Field(
            ListOf(Scalar("the name of a package", package_name)),
            "packages of it that the main index has too (PEP 708)",
        ),
        "workflow": Field(_WORKFLOW_FORM, "the workflow that uploads, where it is another one of the centre"),
        "environment": Field(_ENVIRONMENT, "the environment of its upload jobs, where it is another one"),
        "quota": Field(_QUOTA, "how much its files may be, where it is another size"),
        "contacts": Field(ListOf(FILLED), "whom to ask about it"),
        "keys": Field(
            MapOf(_NAME_OF_KEY, "the name of a key: a-z, 0-9 and single dashes", Either(_KEY_FORM, _KEY)),
            "public keys that its provenance is signed with, by names of your own",
        ),
        "state": Field(words("active", "suspended"), "suspended: nobody publishes, and files stay; active unless told"),
    },
)

_CHANNELS = RecordKind(
    "channels",
    {
        "nightly": Field(
            RecordKind(
                "the channel nightly",
                {
                    "keep": Field(_COUNT, "how many versions of a package it keeps; 30 unless told"),
                    "provenance": _PROVENANCE,
                    "every": Field(DURATION, "how often a lane uploads; one that is older is told to be late"),
                },
            ),
            "files of every night, of which the last are kept",
        ),
        "stable": Field(RecordKind("the channel stable", {"provenance": _PROVENANCE}), "files that stay"),
    },
)

TOP = RecordKind(
    "the catalogue of lanes",
    {
        "bucket": Field(
            Scalar("a bucket", scalars.pattern(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")),
            "the bucket of all lanes",
            required=True,
        ),
        "region": Field(
            Scalar("a region", scalars.pattern(r"[a-z]{2}(-[a-z]+)+-[0-9]", "the name of an AWS region")),
            "the region of the bucket",
            required=True,
        ),
        "account": Field(
            Scalar("an account", scalars.pattern("[0-9]{12}", "the number of an AWS account, twelve digits")),
            "the account that the roles are in",
            required=True,
        ),
        "roles": Field(
            Scalar("the beginning of names", scalars.pattern(r"[A-Za-z0-9+=,.@_-]{1,32}", "what names begin with")),
            "what the names of all roles begin with",
            required=True,
        ),
        "centre": Field(_REPOSITORY_FORM, "the repository of the official workflows, OWNER/NAME@NUMBER", required=True),
        "workflow": Field(_WORKFLOW_FORM, "the official upload workflow, OWNER/NAME/PATH@REF", required=True),
        "environment": Field(_ENVIRONMENT, "the environment of upload jobs", required=True),
        "indexer": Field(_JOB, "the job that writes indexes; lane-index.yml beside the workflow unless told"),
        "purge": Field(_JOB, "the job that deletes files for good; lane-purge.yml beside the workflow unless told"),
        "quota": Field(_QUOTA, "how much the files of a lane may be", required=True),
        "price": Field(Scalar("a price", _price), "what a GiB costs in a month"),
        "channels": Field(_CHANNELS, "the channels of every lane"),
        "images": Field(REPOSITORY, "where the repositories of images are, HOST/PREFIX"),
        "index": Field(_URL, "the main index, which lanes may extend"),
        "files": Field(_URL, "where `files/` is served, where that is not beside `index/`"),
        "distribution": Field(
            Scalar(
                "a distribution",
                scalars.pattern(
                    r"arn:aws[a-z-]*:cloudfront::[0-9]{12}:distribution/[A-Z0-9]+", "the ARN of a distribution"
                ),
            ),
            "the ARN of the CloudFront distribution that hands out files and indexes",
        ),
        "lanes": Field(
            MapOf(LANE_NAME, "the name of a lane: a-z, 0-9 and single dashes", Either(_REPOSITORY_FORM, _LANE)),
            "vendors by name: OWNER/NAME@NUMBER, or more",
            required=True,
        ),
    },
)
