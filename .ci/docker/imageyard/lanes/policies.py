"""Policies of lanes: who may take which role, what each role may do, and what nobody may do to the bucket.

A Deny of the bucket's policy counts for every principal of every account, administrators included; what it names are
the centre's own roles, so that a new vendor changes nothing in it.

Sources: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets" (`s3:if-none-match`, and
`s3:ObjectCreationOperation`, which is false for CreateMultipartUpload, UploadPart and UploadPartCopy) and "How to
prevent object overwrites with conditional writes"; AWS What's New, 2024-11-25, "Amazon S3 now supports enforcement of
conditional write operations for S3 general purpose buckets". IAM User Guide, "AWS global condition context keys"
(`aws:PrincipalArn` of a session is the ARN of its role) and "Condition operators" (a negated one is true where the key
is missing). Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3"
(`s3:x-amz-storage-class`, `s3:x-amz-server-side-encryption-customer-algorithm`: the headers of a PutObject).
"""

from __future__ import annotations

from imageyard.ci.providers.base import Home, Provider, TokenClaims
from imageyard.errors import ConfigurationError
from imageyard.iam import (
    ASKING,
    LOG_IN,
    TRUST_LIMIT,
    WRITING,
    PolicyDocument,
    allow,
    arn_of_repository,
    document,
    policy_length,
    trust,
)
from imageyard.lanes.model import STATE_TAG, WITHDRAWN, Lane, LaneCatalogue, RoleJob
from imageyard.lanes.places import (
    FILES,
    INDEXES,
    LOG,
    REQUESTS,
    STATE,
    files_prefix,
    lane_prefix,
    requests_prefix,
    state_prefix,
)

__all__ = ["bucket_policy", "indexer_policy", "lane_policy", "lane_trust", "purge_policy", "role_trust"]

_CREATING = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_ACLS = ("s3:PutBucketAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl")
_TAGGING = (
    "s3:PutObjectTagging", "s3:DeleteObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObjectVersionTagging",
)  # fmt: skip
_DELETING = ("s3:DeleteObject", "s3:DeleteObjectVersion")
_READING = ("s3:GetObject", "s3:GetObjectVersion")


def lane_trust(found: LaneCatalogue, lane: Lane, provider: Provider) -> PolicyDocument:
    """Who may take the role of a lane: upload jobs of its repository, or nobody while it is suspended.

    A trust policy has at least one statement; one that only denies lets nobody in.
    Raises ConfigurationError where nobody said the number of its repository.
    """
    role = found.role_arn(found.role_of(lane.name))
    if lane.is_suspended:
        everybody = {"Sid": "Suspended", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        return document(everybody)
    return _checked(trust(role, provider.token_issuer, [_claims(provider, lane.publisher(), lane.job)]), lane)


def lane_policy(found: LaneCatalogue, lane: Lane) -> PolicyDocument:
    """What the role of a lane may do: create its files and requests, read and list its own, and push its images.

    It creates files in its channels alone: what lies beside a channel could be taken back by nobody. Its own is also
    what the indexer keeps of it: so it learns which names are taken before it sends anything.

    Suspended, it may do nothing: sessions that began before end with it.
    """
    if lane.is_suspended:
        return document({"Sid": "Suspended", "Effect": "Deny", "Action": "*", "Resource": "*"})
    folders = [f"{folder}*" for folder in (lane_prefix(lane.name), requests_prefix(lane.name))]
    own = [found.bucket_arn(folder) for folder in folders]
    creates = [*(files_prefix(lane.name, channel) for channel in found.channels), requests_prefix(lane.name)]
    state = f"{state_prefix(lane.name)}*"
    listing = {
        "Sid": "ListOwn",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": found.bucket_arn(),
        "Condition": {"StringLike": {"s3:prefix": [*folders, state]}},
    }
    places = (found.image_repository(lane), found.cache_repository(lane))
    images = [arn for place in places if place and (arn := arn_of_repository(found.partition, place))]
    return document(
        *allow("Create", _CREATING, [found.bucket_arn(f"{folder}*") for folder in creates]),
        *allow("ReadOwn", ("s3:GetObject",), [*own, found.bucket_arn(state)]),
        listing,
        *([LOG_IN] if images else ()),
        *allow("Push", (*ASKING, *WRITING), images),
    )


def role_trust(found: LaneCatalogue, role: str, job: RoleJob, provider: Provider) -> PolicyDocument:
    """Who may take a role of the centre: one workflow of its repository in one environment."""
    return trust(found.role_arn(role), provider.token_issuer, [_claims(provider, found.centre, job)])


def indexer_policy(found: LaneCatalogue) -> PolicyDocument:
    """What the indexer may do: read all, write indexes, its state and the log, and mark files; it writes no file."""
    folders = (FILES, REQUESTS, INDEXES, LOG, STATE)
    files, requests, indexes, log, state = (found.bucket_arn(f"{one}*") for one in folders)
    return document(
        *allow("List", ("s3:ListBucket",), [found.bucket_arn()]),
        *allow("Read", ("s3:GetObject", "s3:GetObjectTagging"), [files, requests, indexes, log, state]),
        *allow("WriteIndexes", (*_CREATING, "s3:DeleteObject"), [indexes]),
        *allow("Remember", ("s3:PutObject",), [state]),
        *allow("Log", ("s3:PutObject",), [log]),
        *allow("Withdraw", ("s3:PutObjectTagging", "s3:DeleteObjectTagging"), [files]),
    )


def purge_policy(found: LaneCatalogue) -> PolicyDocument:
    """What the purge may do: read indexes and the log, delete files with all versions, and log it."""
    files, indexes, log = (found.bucket_arn(f"{one}*") for one in (FILES, INDEXES, LOG))
    return document(
        *allow("List", ("s3:ListBucket", "s3:ListBucketVersions"), [found.bucket_arn()]),
        *allow("Read", _READING, [files, indexes, log]),
        *allow("Purge", _DELETING, [files]),
        *allow("Log", ("s3:PutObject",), [log]),
    )


def bucket_policy(found: LaneCatalogue) -> PolicyDocument:
    """What nobody may do to the bucket, whatever a role allows; and where there is a distribution, what it reads.

    Everywhere but below the indexes and the state an object is written only where there is none. `NotResource` covers
    keys that nobody thought of. A copy is the same action, and is refused without the header too. Nobody stores an
    object that the indexer could not read: in an archive, or with a key that the bucket has not.
    """
    everything = [found.bucket_arn(), found.bucket_arn("*")]
    indexes = [found.bucket_arn(f"{folder}*") for folder in (INDEXES, STATE)]
    indexer, purge = (found.role_arn(role) for role in (found.indexer_role, found.purge_role))
    new = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    other_class = {
        "Null": {"s3:x-amz-storage-class": "false"},
        "StringNotEquals": {"s3:x-amz-storage-class": "STANDARD"},
    }
    own_key = {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
    withdrawn = {f"s3:ExistingObjectTag/{STATE_TAG}": WITHDRAWN}
    return document(
        _deny("LanesOnlyByTls", ("s3:*",), everything, {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("LanesReplaceNothing", ("s3:PutObject",), indexes, new, resource="NotResource"),
        _deny("LanesDeleteByPurge", _DELETING, indexes, _but(purge), resource="NotResource"),
        _deny("LanesIndexByIndexer", ("s3:PutObject", *_DELETING), indexes, _but(indexer)),
        _deny("LanesLogByCentre", ("s3:PutObject",), [found.bucket_arn(f"{LOG}*")], _but(indexer, purge)),
        _deny("LanesMarkByIndexer", _TAGGING, [found.bucket_arn("*")], _but(indexer)),
        _deny("LanesNoAcl", _ACLS, everything),
        _deny("LanesNoAclOnWriting", ("s3:PutObject",), everything[1:], {"Null": {"s3:x-amz-acl": "false"}}),
        _deny("LanesInStandardClass", ("s3:PutObject",), everything[1:], other_class),
        _deny("LanesNoKeyOfTheirOwn", ("s3:PutObject",), everything[1:], own_key),
        _deny(
            "LanesNotWithdrawn",
            _READING,
            everything[1:],
            {"StringEquals": withdrawn, **_but(indexer, purge)},
        ),
        *([_hand_out(found, found.distribution)] if found.distribution else ()),
    )


def _claims(provider: Provider, home: Home, job: RoleJob) -> TokenClaims:
    return provider.workflow_claims(home, job.workflow, job.environment)


def _but(*roles: str) -> PolicyDocument:
    """The condition that it is none of these roles; true for whoever has no ARN at all."""
    return {"ArnNotEquals": {"aws:PrincipalArn": roles[0] if len(roles) == 1 else list(roles)}}


def _deny(
    sid: str,
    actions: tuple[str, ...],
    resources: list[str],
    condition: PolicyDocument | None = None,
    *,
    resource: str = "Resource",
) -> PolicyDocument:
    said = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": list(actions), resource: resources}
    return {**said, "Condition": condition} if condition else said


def _hand_out(found: LaneCatalogue, distribution: str) -> PolicyDocument:
    """Let a distribution read files and indexes (CloudFront Developer Guide, "Origin access control")."""
    return {
        "Sid": "LanesHandOut",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": ["s3:GetObject"],
        "Resource": [found.bucket_arn(f"{FILES}*"), found.bucket_arn(f"{INDEXES}*")],
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
    }


def _checked(policy: PolicyDocument, lane: Lane) -> PolicyDocument:
    if (length := policy_length(policy)) > TRUST_LIMIT:
        raise ConfigurationError(
            f"the trust policy of the lane {lane.name} has {length} characters, and AWS takes {TRUST_LIMIT}",
            at=lane.where,
            hint="shorten the names of the workflow or of the environment",
        )
    return policy
