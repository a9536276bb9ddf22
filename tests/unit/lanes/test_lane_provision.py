"""Provisioning against moto: what differs is told first, only that is changed, and nothing that somebody else made."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import urllib3
from imageyard.console import Story
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused
from imageyard.lanes.account import LaneAccount
from imageyard.lanes.changes import LaneStanding, SetBucketPolicy, changes, described
from imageyard.lanes.estate import LANE_TAG, MARK
from imageyard.lanes.provision import deprovision, provision
from support.aws.moto import moto_in_reach
from support.aws.policy import may_assume
from support.aws.trust import EVERYTHING, PROVIDER
from support.lanes.catalogues import BUCKET, HEAD, LANES, of, rendered
from support.lanes.catalogues import PROVIDER as CI

REGION = "us-east-1"
ONE = f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n"
ROLE = "wheels-lane-acme"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """AWS with an empty account, and a bucket in it."""
    with moto_in_reach(monkeypatch) as reached:
        urllib3.request("POST", f"{reached}/moto-api/reset").drain_conn()
        asked("s3").create_bucket(Bucket=BUCKET)
        yield reached


def asked(service: str) -> Any:
    return boto3.session.Session().client(service, region_name=REGION)


class Run:
    """A call of a task: what it printed, and what it told."""

    def __init__(self, text: str = ONE, *, yes: bool = False, gone: str | None = None) -> None:
        told = io.StringIO()
        found, account, reporter = of(text), LaneAccount(BUCKET, REGION), Story("plain", told)
        if gone is None:
            self.printed = provision(found, CI, account, reporter, yes=yes)
        else:
            self.printed = deprovision(found, gone, account, reporter, yes=yes)
        self.told = told.getvalue()

    @property
    def heads(self) -> list[str]:
        """What the differences are about."""
        return [line for line in self.printed.splitlines() if not line.startswith(" ")]


ALL = [
    "the bucket: keep old versions",
    "the bucket: switch ACLs off",
    "the bucket: remove uploads that nobody ends, after 2 days",
    "the policy of the bucket:",
    "the repository 123456789012.dkr.ecr.us-east-1.amazonaws.com/lanes/acme/images: make it",
    "the repository 123456789012.dkr.ecr.us-east-1.amazonaws.com/lanes/acme/cache: make it",
    "the role wheels-indexer: make it",
    "the role wheels-purge: make it",
    "the role wheels-lane-acme: make it",
]


def test_it_tells_and_then_makes_and_then_nothing_differs(address: str) -> None:
    first = Run()
    assert first.heads == ALL
    assert "nothing was changed: --yes does it" in first.told
    assert asked("iam").list_roles()["Roles"] == []
    assert Run(yes=True).heads == ALL
    assert stands() == wanted()
    last = Run(yes=True)
    assert (last.printed, "nothing differs" in last.told) == ("", True)


def stands() -> dict[str, Any]:
    """What AWS says, by boto3 itself."""
    iam, s3, ecr = asked("iam"), asked("s3"), asked("ecr")
    roles = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        roles[name] = {
            "arn": role["Arn"],
            "tags": {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=name)["Tags"]},
            "trust": role["AssumeRolePolicyDocument"],
            "policy": iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"],
        }
    repositories = {one["repositoryName"]: one for one in ecr.describe_repositories()["repositories"]}
    return {
        "roles": roles,
        "held": {name: one["imageTagMutability"] != "MUTABLE" for name, one in repositories.items()},
        "policy": json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]),
        "versioning": s3.get_bucket_versioning(Bucket=BUCKET)["Status"],
        "abandoned": [
            rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            for rule in s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        ],
        "rules": s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"],
    }


def wanted(text: str = ONE) -> dict[str, Any]:
    estate = rendered(text)
    return {
        "roles": {
            one.name: {"arn": one.arn, "tags": dict(one.tags), "trust": one.trust, "policy": one.policy}
            for one in estate.roles
        },
        "held": {one.reference.repository: one.held for one in estate.repositories},
        "policy": estate.bucket_policy,
        "versioning": "Enabled",
        "abandoned": [2],
        "rules": [{"ObjectOwnership": "BucketOwnerEnforced"}],
    }


def test_a_new_vendor_adds_and_changes_nothing_else(address: str) -> None:
    Run(yes=True)
    before = stands()["roles"]
    more = f"{ONE}  hooli: hooli/torch-hooli@5\n"
    assert [head.partition(":")[0].rpartition("/")[2] for head in Run(more, yes=True).heads] == [
        "images",
        "cache",
        "the role wheels-lane-hooli",
    ]
    assert before.items() <= stands()["roles"].items()
    assert stands() == wanted(more)


def test_rules_of_others_for_the_life_of_objects_stay(address: str) -> None:
    """And ours that somebody changed is as it should be again."""
    other = {"ID": "other", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 900}}
    ours = {"ID": "imageyard-lanes-abandoned-uploads", "Status": "Disabled", "Filter": {"Prefix": ""}}
    rules = {"Rules": [{**ours, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}, other]}
    asked("s3").put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules)
    assert "the bucket: remove uploads that nobody ends, after 2 days" in Run(yes=True).heads
    found = {rule["ID"]: rule for rule in asked("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]}
    assert found["other"]["Expiration"] == {"Days": 900}
    assert found["imageyard-lanes-abandoned-uploads"]["Status"] == "Enabled"
    assert len(found) == 2
    assert Run().heads == []


def test_only_what_differs_is_changed_and_shown(address: str) -> None:
    """Somebody let every workflow in, gave the role more, and took a statement from the bucket."""
    Run(yes=True)
    iam, s3 = asked("iam"), asked("s3")
    trust = stands()["roles"][ROLE]["trust"]
    del trust["Statement"][0]["Condition"]["StringEquals"][f"{PROVIDER}:job_workflow_ref"]
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(EVERYTHING))
    arn = iam.create_policy(PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
    policy = stands_policy()
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != "LanesReplaceNothing"]
    policy["Statement"].append({"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "x"})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))

    run = Run(yes=True)
    assert run.printed.splitlines() == [
        "the policy of the bucket:",
        "  + LanesReplaceNothing Effect = Deny",
        "  + LanesReplaceNothing Principal = *",
        "  + LanesReplaceNothing Action = s3:PutObject",
        "  + LanesReplaceNothing NotResource = arn:aws:s3:::example-wheels/index/*",
        "  + LanesReplaceNothing NotResource = arn:aws:s3:::example-wheels/state/*",
        "  + LanesReplaceNothing Condition Null s3:if-none-match = true",
        "  + LanesReplaceNothing Condition Bool s3:ObjectCreationOperation = true",
        "who may take the role wheels-lane-acme:",
        f"  + statement 1 Condition StringEquals {PROVIDER}:job_workflow_ref"
        " = example/main/.github/workflows/lane-upload.yml@refs/heads/main",
        "the role wheels-lane-acme: delete its policy more",
        f"the role wheels-lane-acme: detach {arn}",
    ]
    assert stands_policy()["Statement"][0]["Sid"] == "Theirs"
    assert iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"] == []
    assert stands()["roles"] == wanted()["roles"]
    assert Run().printed == ""


def stands_policy() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked("s3").get_bucket_policy(Bucket=BUCKET)["Policy"])
    return found


def test_the_form_that_aws_keeps_a_policy_in_is_no_difference(address: str) -> None:
    """It gives a list of one as text, and statements and keys in another order."""
    Run(yes=True)
    policy = stands_policy()
    for statement in policy["Statement"]:
        statement["Action"] = statement["Action"][0] if len(statement["Action"]) == 1 else statement["Action"][::-1]
    policy["Statement"].reverse()
    asked("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy, sort_keys=True))
    assert Run().printed == ""


@pytest.mark.parametrize("tags", [{}, {MARK: "another-bucket"}, {MARK: BUCKET}, {MARK: BUCKET, LANE_TAG: "globex"}])
def test_a_role_that_somebody_else_made_is_never_touched(tags: dict[str, str], address: str) -> None:
    iam = asked("iam")
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(EVERYTHING), Tags=given)
    before = iam.get_role(RoleName=ROLE)["Role"]
    with pytest.raises(PolicyRefused, match="the role wheels-lane-acme is there, and was not made for this lane"):
        Run(yes=True)
    with pytest.raises(PolicyRefused, match="was not made for this lane"):
        Run(f"{HEAD}lanes: {{}}\n", yes=True, gone="acme")
    assert iam.get_role(RoleName=ROLE)["Role"] == before
    assert [one["RoleName"] for one in iam.list_roles()["Roles"]] == [ROLE], "nothing at all was done"
    with pytest.raises(asked("s3").exceptions.ClientError):
        asked("s3").get_bucket_policy(Bucket=BUCKET)


def test_a_repository_that_somebody_else_made_is_never_written(address: str) -> None:
    asked("ecr").create_repository(repositoryName="lanes/acme/images")
    with pytest.raises(PolicyRefused, match="lanes/acme/images is there, and was not made for this lane"):
        Run(yes=True)
    assert asked("iam").list_roles()["Roles"] == []


def test_a_lane_is_suspended_and_comes_back(address: str) -> None:
    Run(LANES, yes=True)
    held = f"{LANES}".replace(
        "  acme: acme-ai/torch-acme@812345678",
        "  acme:\n    repository: acme-ai/torch-acme@812345678\n    state: suspended",
    )
    run = Run(held, yes=True)
    assert run.heads == ["who may take the role wheels-lane-acme:", "what the role wheels-lane-acme may do:"]
    role = stands()["roles"][ROLE]
    claims = {
        "aud": "sts.amazonaws.com",
        "repository": "acme-ai/torch-acme",
        "repository_id": "812345678",
        "environment": "lane-upload",
        "job_workflow_ref": "example/main/.github/workflows/lane-upload.yml@refs/heads/main",
    }
    assert not may_assume(role["trust"], PROVIDER, claims)
    assert role["policy"]["Statement"][0]["Effect"] == "Deny"
    Run(LANES, yes=True)
    assert may_assume(stands()["roles"][ROLE]["trust"], PROVIDER, claims)
    assert stands() == wanted(LANES)


def test_a_lane_that_is_gone_is_named_and_taken_away(address: str) -> None:
    asked("s3").put_object(Bucket=BUCKET, Key="files/acme-evil/x", Body=b"x")  # moto reads no condition of a Deny
    Run(LANES, yes=True)
    asked("iam").create_role(RoleName="wheels-lane-theirs", AssumeRolePolicyDocument=json.dumps(EVERYTHING))
    less = "\n".join(line for line in LANES.splitlines() if "acme-evil/" not in line) + "\n"
    run = Run(less)
    assert (run.printed, "inv lane.deprovision acme-evil" in run.told, "theirs" in run.told) == ("", True, False)

    assert Run(less, gone="acme-evil").heads == [
        "the role wheels-lane-acme-evil: delete its policy lanes",
        "the role wheels-lane-acme-evil: delete it",
    ]
    assert "wheels-lane-acme-evil" in stands_names()
    assert Run(less, gone="acme-evil", yes=True).heads
    assert "wheels-lane-acme-evil" not in stands_names()
    assert [one["Key"] for one in asked("s3").list_objects_v2(Bucket=BUCKET)["Contents"]] == ["files/acme-evil/x"]
    assert "lanes/acme-evil/images" in {
        one["repositoryName"] for one in asked("ecr").describe_repositories()["repositories"]
    }
    again = Run(less, gone="acme-evil", yes=True)
    assert (again.printed, "there is no role of the lane acme-evil" in again.told) == ("", True)


def stands_names() -> list[str]:
    return [one["RoleName"] for one in asked("iam").list_roles()["Roles"]]


def test_an_active_lane_is_not_taken_away(address: str) -> None:
    Run(LANES, yes=True)
    with pytest.raises(PolicyRefused, match="the lane acme is active"):
        Run(LANES, yes=True, gone="acme")
    assert ROLE in stands_names()
    assert Run(LANES, yes=True, gone="initech").heads


def test_a_bucket_that_is_not_there(address: str) -> None:
    asked("s3").delete_bucket(Bucket=BUCKET)
    with pytest.raises(NotFound, match="NoSuchBucket"):
        Run(yes=True)
    assert asked("iam").list_roles()["Roles"] == []


def test_credentials_of_another_account_make_nothing(address: str) -> None:
    other = ONE.replace('account: "123456789012"', 'account: "999999999999"')
    for gone in (None, "hooli"):
        with pytest.raises(PolicyRefused, match="are of the account 123456789012, and not of 999999999999"):
            Run(other, yes=True, gone=gone)
    assert asked("iam").list_roles()["Roles"] == []


def test_without_a_number_nothing_is_made(address: str) -> None:
    with pytest.raises(ConfigurationError, match="nobody said the number"):
        Run(f"{ONE}  hooli: hooli/torch-hooli\n", yes=True)
    assert asked("iam").list_roles()["Roles"] == []


def test_a_call_that_died_half_way_is_ended_by_the_next(address: str) -> None:
    """A role that was made and got no policy, say."""
    estate = rendered(ONE)
    account = LaneAccount(BUCKET, REGION)
    todo = changes(estate, account.standing(estate))
    for done in range(len(todo)):
        for change in changes(estate, account.standing(estate))[:1]:
            account.apply(change)
        assert len(changes(estate, account.standing(estate))) == len(todo) - done - 1
    asked("iam").delete_role_policy(RoleName=ROLE, PolicyName="lanes")
    assert Run(yes=True).heads == ["what the role wheels-lane-acme may do:"]
    assert stands() == wanted()


def test_one_lane_alone_says_nothing_of_the_bucket() -> None:
    todo = changes(rendered(ONE, "acme"), LaneStanding({}))
    assert not [one for one in todo if isinstance(one, SetBucketPolicy)]
    assert [described(one)[0].rpartition(": ")[2] for one in todo] == ["make it"] * 3
