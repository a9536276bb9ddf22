"""What `inv policies` prints: who may take which role, over the claims of jobs that should not, and what it refuses.

The judge is `support.aws.policy`, by AWS's documentation; AWS itself was not asked. `tests/real/access` gives the same
policies to roles.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from imageyard.access.aws_policies import keeping_policies
from imageyard.access.environments import MIRROR, TRUSTED
from imageyard.catalogue import expand
from imageyard.ci.providers.base import KeepingRole
from imageyard.ci.providers.github.token_claims import KEEPING_JOBS
from imageyard.ci.providers.table import provider_of
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.iam import TRUST_LIMIT, policy_length
from imageyard.plan.trust import Event, decide, is_protected
from support.aws.policy import allowed, may_assume
from support.aws.trust import PROVIDER
from support.yard.policies import CATALOGUE, ECR, ROLES, claims, rendered

PULL, TOPIC, RELEASE = "refs/pull/17/merge", "refs/heads/topic", "refs/heads/release/2.9"
CLEANUP, WAIT, OTHER = "docker-cache-cleanup.yml", "wait-for-image.yml", "other.yml"
BUILDS = "acme/images/.github/workflows/docker-builds.yml"


def trusted(ref: str = "refs/heads/main", **other: Any) -> dict[str, str]:
    return claims(ref, **{"environment": TRUSTED, **other})


JOBS: list[tuple[str, dict[str, str], str]] = [
    ("a row of main", trusted(), "trusted branch"),
    ("a mirror job of main", trusted(environment=MIRROR), "trusted branch"),
    ("a row of a release", trusted(RELEASE), "trusted branch"),
    ("the plan of main, in no environment", claims(), "branch"),
    ("an environment of another name", trusted(environment="docker-trusted-too"), "branch"),
    ("an environment in other letters", trusted(environment="Docker-Trusted"), "branch"),
    ("a pattern for an environment", trusted(environment="docker-*"), "branch"),
    ("a branch below a release", trusted("refs/heads/release/me/x"), "branch"),
    ("a branch far below a release", trusted("refs/heads/release/2.9/a/b"), "branch"),
    ("a release without a name", trusted("refs/heads/release"), "branch"),
    ("a branch that begins like a release", trusted("refs/heads/releases/2.9"), "branch"),
    ("a branch that begins like main", trusted("refs/heads/mainly"), "branch"),
    ("a branch that ends like main", trusted("refs/heads/x/main"), "branch"),
    ("a branch with main's ref as its name", trusted("refs/heads/refs/heads/main"), "branch"),
    ("a branch with a workflow's path as its name", trusted(f"refs/heads/x@{BUILDS}@refs/heads/main"), "branch"),
    ("main in other letters", trusted("refs/heads/MAIN"), "branch"),
    ("a topic", trusted(TOPIC), "branch"),
    ("a pull request", trusted(PULL), "branch"),
    ("a pull request, its plan", claims(PULL), "branch"),
    ("a merge queue", trusted("refs/heads/gh-readonly-queue/main/pr-17-0"), "branch"),
    ("a tag", trusted("refs/tags/v1"), "branch"),
    ("a tag that is called main", trusted("refs/tags/main"), "branch"),
    ("a ciflow tag", trusted("refs/tags/ciflow/docker/1"), "branch"),
    ("the caches of main", claims(file=CLEANUP), "branch"),
    ("the caches of main in an environment", trusted(file=CLEANUP), "branch"),
    ("another workflow of main", trusted(file=OTHER), ""),
    ("another workflow of a topic", claims(TOPIC, OTHER), ""),
    ("a workflow that ends like ours", trusted(file=f"x/{BUILDS.rpartition('/')[2]}"), ""),
    ("a workflow of main that calls ours", trusted(file=WAIT), "branch"),
    ("pull_request_target, another workflow", claims(file=OTHER, sub="repo:acme/images:pull_request"), ""),
    ("our workflow as another repository calls it", trusted(repository="acme/app", repository_id="77"), ""),
    ("a fork", trusted(repository="me/images", repository_id="77"), ""),
    ("a fork that states our workflow", trusted(repository_id="77"), ""),
    ("another repository that got our name", trusted(repository_id="56780"), ""),
    ("an owner that begins like ours", trusted(repository="acme-evil/images", repository_id="77"), ""),
    ("a repository that begins like ours", trusted(repository="acme/images-else", repository_id="77"), ""),
    ("our repository, renamed, and the old policy", trusted(repository="acme/pictures"), ""),
    ("no number", trusted(repository_id=None), ""),
    ("no workflow", trusted(job_workflow_ref=None), ""),
    ("another audience", trusted(aud="https://github.com/acme"), ""),
    ("no audience", trusted(aud=None), ""),
]
"""Jobs, and the roles that they may take. A job may have the role of branches wherever it is one of our workflows."""


@pytest.mark.parametrize(("stated", "may"), [job[1:] for job in JOBS], ids=[job[0] for job in JOBS])
def test_who_may_take_which_role(stated: dict[str, str], may: str) -> None:
    assert [name for name in ("trusted", "branch") if may_assume(ROLES[name]["trust"], PROVIDER, stated)] == may.split()


def test_another_issuer_is_nobody() -> None:
    assert not any(may_assume(ROLES[name]["trust"], "token.of.others.example", trusted()) for name in CHARGED)


CHARGED = ("trusted", "branch")
WORDS = ("main", "release", "2.9", "x", "hot", "refs", "heads")
PATTERNS = ["main", "release/*", "release/hot/**", "*/x", "**x", "*", "2.*", "*/*/x"]


@pytest.mark.parametrize("protected", [[one] for one in PATTERNS] + [PATTERNS[:2], PATTERNS[:3], PATTERNS])
def test_aws_protects_what_the_catalogue_does(protected: list[str]) -> None:
    """Exactly these branches: IAM's `*` stands for slashes too, and that of GitHub does not."""
    role = rendered(CATALOGUE.replace('[main, "release/*"]', json.dumps(protected)))["trusted"]
    for depth in (1, 2, 3):
        for branch in map("/".join, product(WORDS, repeat=depth)):
            may = may_assume(role["trust"], PROVIDER, trusted(f"refs/heads/{branch}"))
            assert may == is_protected(branch, protected), branch


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("release/*/**", "has both"),
        ("release/?", "not a pattern of branches"),
        ("${aws:x}", "not a pattern of branches"),
    ],
)
def test_a_pattern_that_aws_would_read_otherwise_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        rendered(CATALOGUE.replace("release/*", pattern))


def test_tags_are_trusted_where_that_is_asked_for() -> None:
    role = rendered(tags=True)["trusted"]["trust"]
    assert may_assume(role, PROVIDER, trusted("refs/tags/ciflow/docker/17"))
    assert not may_assume(role, PROVIDER, trusted("refs/tags/ciflow/other/17"))
    assert not may_assume(role, PROVIDER, trusted("refs/heads/refs/tags/ciflow/docker/17"))
    assert not may_assume(role, PROVIDER, claims("refs/tags/ciflow/docker/17"))


@pytest.mark.parametrize("name", CHARGED)
def test_every_statement_asks_for_all_of_it(name: str) -> None:
    """By an operator that is false where a claim is missing: `ForAllValues` would let such a token in."""
    asked = {"aud", "repository_id"} | ({"environment"} if name == "trusted" else set())
    for statement in ROLES[name]["trust"]["Statement"]:
        equal = {key.removeprefix(f"{PROVIDER}:") for key in statement["Condition"]["StringEquals"]}
        like = {key.removeprefix(f"{PROVIDER}:") for key in statement["Condition"].get("StringLike", {})}
        assert asked <= equal
        assert "job_workflow_ref" in equal | like
        assert set(statement["Condition"]) <= {"StringEquals", "StringLike", "StringNotLike"}
    assert policy_length(ROLES[name]["trust"]) < TRUST_LIMIT


def repositories(role: str, action: str, text: str = CATALOGUE) -> list[str]:
    """Those in which a role may do something, by the ends of their names."""
    names = ("ci", "ci-cache", "ci-branch", "ci-branch-cache", "ci-mirror", "else")
    arn = "arn:aws:ecr:us-east-1:123456789012:repository/acme"
    return [name for name in names if allowed([rendered(text)[role]["policy"]], action, f"{arn}/{name}")]


ONE = CATALOGUE.replace(f"{{trusted: {ECR}/acme/ci, branch: {ECR}/acme/ci-branch}}", f"{ECR}/acme/ci")
HELD = CATALOGUE.replace("  create: yes\n", "")
COPIED = CATALOGUE.replace("ghcr.io/acme/ci", f"{ECR}/acme/ci-mirror")


@pytest.mark.parametrize(
    ("role", "action", "text", "where"),
    [
        ("trusted", "PutImage", CATALOGUE, "ci ci-cache"),
        ("trusted", "BatchGetImage", CATALOGUE, "ci ci-cache"),
        ("trusted", "CreateRepository", CATALOGUE, "ci ci-cache"),
        ("trusted", "CreateRepository", HELD, ""),
        ("trusted", "BatchDeleteImage", CATALOGUE, ""),
        ("trusted", "PutImage", COPIED, "ci ci-cache ci-mirror"),
        ("trusted", "DeleteRepository", CATALOGUE, ""),
        ("branch", "BatchGetImage", CATALOGUE, "ci ci-cache ci-branch ci-branch-cache"),
        ("branch", "PutImage", CATALOGUE, "ci-branch ci-branch-cache"),
        ("branch", "PutImage", COPIED, "ci-branch ci-branch-cache"),
        ("branch", "BatchGetImage", COPIED, "ci ci-cache ci-branch ci-branch-cache ci-mirror"),
        ("branch", "BatchDeleteImage", CATALOGUE, "ci-branch-cache"),
        ("branch", "CreateRepository", HELD, ""),
        ("branch", "PutImage", ONE, "ci-branch-cache"),
        ("branch", "BatchGetImage", ONE, "ci ci-cache ci-branch-cache"),
        ("branch", "SetRepositoryPolicy", CATALOGUE, ""),
        ("reading", "BatchGetImage", CATALOGUE, "ci"),
        ("reading", "PutImage", CATALOGUE, ""),
    ],
)
def test_what_a_role_may_do_where(role: str, action: str, text: str, where: str) -> None:
    assert repositories(role, f"ecr:{action}", text) == where.split()


SAVED = CATALOGUE + "backup: {bucket: acme-saved, prefix: ci, region: us-east-1}\n"
S3_ACTIONS = (
    "ListBucket",
    "ListBucketMultipartUploads",
    "GetObject",
    "PutObject",
    "DeleteObject",
    "AbortMultipartUpload",
    "PutObjectAcl",
    "DeleteBucket",
)
OBJECTS = ("acme-saved/ci/blobs/sha256/00", "acme-saved/ci-else/blobs", "acme-saved/tags", "acme-other/ci/blobs")


@pytest.mark.parametrize(
    ("role", "deletes", "pushes", "objects", "lists"),
    [
        ("retention", "ci ci-cache ci-branch ci-branch-cache", "", "GetObject", "ListBucket"),
        (
            "backup",
            "",
            "",
            "GetObject PutObject DeleteObject AbortMultipartUpload",
            "ListBucket ListBucketMultipartUploads",
        ),
        ("recovery", "", "ci", "GetObject", "ListBucket"),
    ],
)
def test_who_keeps_things_may_not_do_what_another_does(
    role: str, deletes: str, pushes: str, objects: str, lists: str
) -> None:
    assert repositories(role, "ecr:BatchDeleteImage", SAVED) == deletes.split()
    assert repositories(role, "ecr:PutImage", SAVED) == pushes.split()
    assert "ci" in repositories(role, "ecr:BatchGetImage", SAVED)
    policy = rendered(SAVED)[role]["policy"]
    may = {
        where: [one for one in S3_ACTIONS if allowed([policy], f"s3:{one}", f"arn:aws:s3:::{where}")]
        for where in OBJECTS
    }
    assert may == {where: objects.split() if where == OBJECTS[0] else [] for where in OBJECTS}
    listing = [one for one in S3_ACTIONS if allowed([policy], f"s3:{one}", "arn:aws:s3:::acme-saved")]
    assert listing == lists.split(), "without a prefix: S3 tells who may list all that an object is not there"


@pytest.mark.parametrize("role", KEEPING_JOBS)
def test_who_keeps_things_is_one_workflow_in_its_environment(role: KeepingRole) -> None:
    environment, files = KEEPING_JOBS[role]
    trust = rendered(SAVED)[role]["trust"]
    for file in (*files, "docker-builds.yml", CLEANUP, OTHER):
        for ref in ("refs/heads/main", RELEASE, TOPIC, PULL, "refs/heads/release/me/x"):
            for where in (None, TRUSTED, *(one for one, _ in KEEPING_JOBS.values())):
                may = file in files and where == environment and ref in ("refs/heads/main", RELEASE)
                assert may_assume(trust, PROVIDER, claims(ref, file, environment=where)) is may, (file, ref, where)
    assert policy_length(trust) < TRUST_LIMIT


def test_the_policies_of_who_keeps_things_are_printed_with_the_others(tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    file.write_text(SAVED)
    kept, roles = keeping_policies(expand.load(file, tmp_path), "aws"), rendered(SAVED)
    assert kept
    assert {name: roles[name]["policy"] for name in kept} == kept


def test_without_a_bucket_there_is_nobody_who_backs_up() -> None:
    assert {"backup", "recovery"}.isdisjoint(rendered(CATALOGUE))
    for role in ("retention", "page"):
        assert "s3" not in json.dumps(rendered(CATALOGUE)[role])


RUNS = [
    Event("push", ref="refs/heads/main"),
    Event("push", ref=RELEASE),
    Event("push", ref=TOPIC),
    Event("push", ref="refs/tags/ciflow/docker/1", commit_on="main"),
    Event("push", ref="refs/tags/v1", commit_on="main"),
    Event("manual", ref="refs/heads/main", force=True),
    Event("manual", ref="refs/tags/v1", commit_on="main"),
    Event("merge queue", ref="refs/heads/gh-readonly-queue/main/pr-17-0"),
]


@pytest.mark.parametrize("tags", [False, True])
@pytest.mark.parametrize("event", RUNS, ids=lambda event: f"{event.kind} {event.ref}")
def test_a_run_backs_up_where_its_job_gets_the_role_for_that(event: Event, tags: bool) -> None:
    """A job that no role takes would fail each time, and one that is not planned is not missed."""
    role = rendered(SAVED, tags=tags)["backup"]["trust"]
    job = claims(event.ref, environment="docker-backup")
    assert decide(event, ["main", "release/*"]).backup == may_assume(role, PROVIDER, job)


SHOWN = SAVED + "page: {bucket: acme-site, prefix: ci, region: us-east-1}\n"
PLACES = (*OBJECTS, *(f"acme-site/{key}" for key in ("ci/index.html", "ci/images.json", "ci/else", "index.html")))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (SHOWN, "acme-site/ci/index.html acme-site/ci/images.json"),
        (SHOWN.replace("acme-site, prefix: ci", "acme-site"), "acme-site/index.html"),
        (SHOWN.replace("acme-site, prefix: ci", "acme-saved, prefix: ci/site"), ""),
        (SAVED, ""),
    ],
)
def test_the_page_reads_everything_and_writes_itself_alone(text: str, written: str) -> None:
    for action in ("BatchGetImage", "DescribeImages"):
        assert repositories("page", f"ecr:{action}", text) == ["ci", "ci-branch"], "caches are not shown"
    for action in ("BatchDeleteImage", "PutImage", "InitiateLayerUpload", "CreateRepository"):
        assert repositories("page", f"ecr:{action}", text) == []
    policy = rendered(text)["page"]["policy"]
    may = {
        action: [where for where in PLACES if allowed([policy], f"s3:{action}", f"arn:aws:s3:::{where}")]
        for action in S3_ACTIONS
    }
    assert {action: where for action, where in may.items() if where} == {
        "GetObject": [OBJECTS[0]],
        **({"PutObject": written.split()} if written else {}),
    }
    own = "arn:aws:s3:::acme-saved/ci/site"
    if "ci/site" in text:
        assert allowed([policy], "s3:PutObject", f"{own}/index.html")
    assert not allowed([policy], "s3:PutObject", f"{own}/blobs/x")
    assert [one for one in S3_ACTIONS if allowed([policy], f"s3:{one}", "arn:aws:s3:::acme-saved")] == ["ListBucket"]


def test_a_page_at_another_service_needs_no_right_at_s3() -> None:
    text = CATALOGUE + "page: {bucket: acme-site, endpoint: 'https://s3.example'}\n"
    assert "s3" not in json.dumps(rendered(text)["page"])


def test_a_role_for_all_runs_has_no_policy_that_would_hold() -> None:
    role = next(line for line in CATALOGUE.splitlines() if "role:" in line)
    none = CATALOGUE.replace(CATALOGUE[CATALOGUE.index("ecr:\n") : CATALOGUE.index("mirrors:")], "")
    for text in (CATALOGUE.replace(role, '  role: "arn:aws:iam::123456789012:role/all"'), none):
        with pytest.raises(ConfigurationError, match="for each level of trust"):
            rendered(text)


def test_the_partition_is_that_of_the_roles() -> None:
    text = CATALOGUE.replace("arn:aws:", "arn:aws-us-gov:").replace("us-east-1", "us-gov-west-1")
    assert "arn:aws:" not in json.dumps(rendered(text))


JOB = {"GITHUB_REPOSITORY": "acme/images", "GITHUB_REPOSITORY_ID": "5678"}


@pytest.mark.parametrize(
    ("environ", "name", "number", "found"),
    [
        (JOB, None, None, ("acme/images", "5678")),
        ({}, "acme/images", "5678", ("acme/images", "5678")),
        (JOB, "acme/other", "9", ("acme/other", "9")),
        ({}, None, None, EnvironmentLacks),
        ({}, "acme/images", None, EnvironmentLacks),
        ({}, "acme/*", "5678", ConfigurationError),
        ({}, "*", "5678", ConfigurationError),
        ({}, "acme/images", "*", ConfigurationError),
        ({}, "acme/images", "5678 ", ConfigurationError),
    ],
)
def test_whose_jobs(environ: dict[str, str], name: str | None, number: str | None, found: Any) -> None:
    provider = provider_of(environ)
    if isinstance(found, tuple):
        assert (provider.home(name, number).name, provider.home(name, number).number) == found
    else:
        with pytest.raises(found):
            provider.home(name, number)
