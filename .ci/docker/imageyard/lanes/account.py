"""The account that lanes are in: what stands there is read, and single changes are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imageyard.aws import AwsService, Caller
from imageyard.errors import NotFound, assert_never
from imageyard.lanes.changes import (
    POLICY_NAME,
    DeleteRole,
    DetachPolicy,
    DropPolicy,
    LaneChange,
    LaneStanding,
    MakeLaneRepository,
    MakeRole,
    SetBucketPolicy,
    SetLifecycle,
    SetOwnership,
    SetPolicy,
    SetTrust,
    SetVersioning,
    StandingRole,
)
from imageyard.lanes.estate import EstateRepository, EstateRole, LaneEstate
from imageyard.registry.vendors import ecr

__all__ = ["LaneAccount"]

_OWNER = "BucketOwnerEnforced"


class LaneAccount:
    """Roles, repositories and the bucket. Methods raise Denied, naming AWS's words, and Transient."""

    def __init__(self, bucket: str, region: str, caller: Caller = "environment") -> None:
        self._bucket = bucket
        self._caller: Caller = caller
        self._iam = AwsService("iam", region, caller=caller)
        self._s3 = AwsService("s3", region, caller=caller)
        self._sts = AwsService("sts", region, caller=caller)
        self._ecr: dict[str, AwsService] = {}

    def number(self) -> str:
        """The number of the account that our credentials are of."""
        return str(self._sts.call("get_caller_identity", "asking whose credentials these are")["Account"])

    def standing(self, wanted: LaneEstate) -> LaneStanding:
        """What stands of all that is wanted. Raises NotFound where the bucket is not there."""
        roles = {role.name: stands for role in wanted.roles if (stands := self.role(role.name))}
        tags = {one.reference.name: self._tags(one) for one in wanted.repositories}
        repositories = {name: found for name, found in tags.items() if found is not None}
        if wanted.bucket_policy is None:
            return LaneStanding(roles, repositories)
        doing = f"looking at the bucket {self._bucket}"
        versioning = self._s3.call("get_bucket_versioning", doing, Bucket=self._bucket)
        return LaneStanding(
            roles,
            repositories,
            self._bucket_policy(doing),
            versioning.get("Status") == "Enabled",
            self._owned(doing),
            self._lifecycle(doing),
        )

    def role(self, name: str) -> StandingRole | None:
        """A role with its policies and tags, None where there is none."""
        doing = f"looking at the role {name}"
        try:
            role = self._iam.call("get_role", doing, RoleName=name)["Role"]
        except NotFound:
            return None
        own = self._pages("list_role_policies", doing, "PolicyNames", RoleName=name)
        attached = self._pages("list_attached_role_policies", doing, "AttachedPolicies", RoleName=name)
        policies = {
            one: self._iam.call("get_role_policy", doing, RoleName=name, PolicyName=one)["PolicyDocument"]
            for one in own
        }
        arns = tuple(one["PolicyArn"] for one in attached)
        return StandingRole(name, role["AssumeRolePolicyDocument"], policies, arns, _as_map(role.get("Tags", ())))

    def role_names(self, beginning: str) -> list[str]:
        """The names of all roles that begin so."""
        roles = self._pages("list_roles", "listing roles", "Roles")
        return sorted(one["RoleName"] for one in roles if one["RoleName"].startswith(beginning))

    def apply(self, change: LaneChange) -> None:
        """Make one change."""
        match change:
            case SetVersioning():
                self._set("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
            case SetOwnership():
                self._set("put_bucket_ownership_controls", OwnershipControls={"Rules": [{"ObjectOwnership": _OWNER}]})
            case SetLifecycle(rules):
                self._set("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": list(rules)})
            case SetBucketPolicy(policy):
                self._set("put_bucket_policy", Policy=json.dumps(policy))
            case MakeLaneRepository(repository):
                self._make_repository(repository)
            case MakeRole(role):
                self._make_role(role)
            case SetTrust(role):
                text = json.dumps(role.trust)
                self._change("update_assume_role_policy", role.name, PolicyDocument=text)
            case SetPolicy(role):
                self._put_policy(role)
            case DropPolicy(name, policy):
                self._change("delete_role_policy", name, PolicyName=policy)
            case DetachPolicy(name, policy):
                self._change("detach_role_policy", name, PolicyArn=policy)
            case DeleteRole(name):
                self._change("delete_role", name)
            case _:
                assert_never(change)

    def _make_role(self, role: EstateRole) -> None:
        """The role is there before its policy; until then it may do nothing, and the next call gives it one."""
        self._change(
            "create_role",
            role.name,
            AssumeRolePolicyDocument=json.dumps(role.trust),
            Description=role.about,
            Tags=_as_list(role.tags),
        )
        self._put_policy(role)

    def _put_policy(self, role: EstateRole) -> None:
        self._change("put_role_policy", role.name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(role.policy))

    def _make_repository(self, one: EstateRepository) -> None:
        region = ecr.region_of(one.reference.registry) or ""
        ecr.make_repository(one.reference, region, self._caller, held=one.held, tags=one.tags)

    def _tags(self, one: EstateRepository) -> Mapping[str, str] | None:
        """The tags of a repository, None where it is not there."""
        region, account = ecr.region_of(one.reference.registry), ecr.account_of(one.reference.registry)
        assert region
        service = self._ecr.setdefault(region, AwsService("ecr", region, caller=self._caller))
        doing = f"looking at the repository {one.reference.name}"
        try:
            found = service.call(
                "describe_repositories", doing, registryId=account, repositoryNames=[one.reference.repository]
            )
        except NotFound:
            return None
        arn = found["repositories"][0]["repositoryArn"]
        return _as_map(service.call("list_tags_for_resource", doing, resourceArn=arn)["tags"])

    def _bucket_policy(self, doing: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._s3.call("get_bucket_policy", doing, Bucket=self._bucket)["Policy"])
        except NotFound:
            return None
        return found

    def _lifecycle(self, doing: str) -> tuple[Mapping[str, Any], ...]:
        try:
            found = self._s3.call("get_bucket_lifecycle_configuration", doing, Bucket=self._bucket)
        except NotFound:
            return ()
        return tuple(found["Rules"])

    def _owned(self, doing: str) -> bool:
        try:
            found = self._s3.call("get_bucket_ownership_controls", doing, Bucket=self._bucket)
        except NotFound:
            return False
        return bool([one["ObjectOwnership"] for one in found["OwnershipControls"]["Rules"]] == [_OWNER])

    def _set(self, operation: str, **given: Any) -> None:
        self._s3.call(operation, f"changing the bucket {self._bucket}", Bucket=self._bucket, **given)

    def _change(self, operation: str, role: str, **given: Any) -> None:
        self._iam.call(operation, f"changing the role {role}", RoleName=role, **given)

    def _pages(self, operation: str, doing: str, key: str, **given: Any) -> Iterator[Any]:
        """The items of all pages of an answer of IAM (AWS IAM API Reference, `IsTruncated`, `Marker`)."""
        more: dict[str, Any] = {}
        while True:
            answer = self._iam.call(operation, doing, **given, **more)
            yield from answer[key]
            if not answer.get("IsTruncated"):
                return
            more = {"Marker": answer["Marker"]}


def _as_map(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags}


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
