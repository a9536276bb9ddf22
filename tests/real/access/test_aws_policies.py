"""What `inv policies` prints, given to roles: it suffices, nothing in it is too much, and who may take the roles.

What judges is no AWS. moto judges calls of the API by action, and takes every repository for `*`; it judges neither
trust policies nor conditions nor tokens. Repositories, at the API and at the registry, trust policies and tokens are
judged by `support.aws.policy`, which knows what these policies use and refuses the rest. Neither knows permission
boundaries, service control policies or policies of repositories, which may take away more.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from imageyard.access.environments import MIRROR
from imageyard.access.environments import TRUSTED as TRUSTED_ENVIRONMENT
from imageyard.aws import call
from imageyard.errors import Denied, NotFound
from imageyard.names import Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.plan.trust import Decision
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from imageyard.registry.vendors.ecr import log_in
from imageyard.registry.vendors.ecr_tags import pushed, untag
from support.aws.served import ACCOUNT, Aws
from support.github.oidc import Oidc
from support.yard.login import BRANCH, TRUSTED, Scene, ecr, scene
from support.yard.policies import DECISIONS, NAMES, ROLES, WRITABLE, claims, client_of, job, look, state, work


@pytest.fixture
def account(aws: Aws, roles: dict[str, str]) -> Aws:
    """The repositories of the catalogue are there, made by somebody else."""
    there = aws.repositories()
    for name in NAMES:
        if name not in there:
            aws.repository(name)
    return aws


@pytest.mark.parametrize("trust", ["trusted", "branch"])
def test_a_policy_suffices(
    trust: str, account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the login, which makes repositories, to what is read of a push."""
    for name in WRITABLE[trust]:
        account.client("ecr").delete_repository(repositoryName=name, force=True)
    scene = job(tmp_path, account, oidc, trust, ROLES[trust]["policy"])

    client = client_of(scene.log_in(DECISIONS[trust], monkeypatch))

    assert scene.story.count("Made the repository") == 2
    for name in WRITABLE[trust]:
        work(client, Reference(account.host, name))


def actions() -> Iterator[tuple[str, int, str]]:
    for trust in ("trusted", "branch"):
        for number, statement in enumerate(ROLES[trust]["policy"]["Statement"]):
            if statement["Sid"] == "Clean":
                continue  # of another job, below
            found = statement["Action"]
            yield from ((trust, number, one) for one in ([found] if isinstance(found, str) else found))


@pytest.mark.parametrize(("trust", "number", "action"), list(actions()))
def test_nothing_in_it_can_be_left_out(
    trust: str,
    number: int,
    action: str,
    account: Aws,
    oidc: Oidc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in WRITABLE[trust]:
        account.client("ecr").delete_repository(repositoryName=name, force=True)
    less = copy.deepcopy(ROLES[trust]["policy"])
    kept = less["Statement"][number]["Action"]
    less["Statement"][number]["Action"] = [one for one in kept if one != action] if isinstance(kept, list) else []
    scene = job(tmp_path, account, oidc, trust, less)

    def everything() -> None:
        client = client_of(scene.log_in(DECISIONS[trust], monkeypatch))
        for name in WRITABLE[trust]:
            work(client, Reference(account.host, name))

    account.gate.refused.clear()
    with pytest.raises(Denied) as refused:
        everything()
    assert action in " ".join([str(refused.value), *account.gate.refused])


@pytest.mark.parametrize("trust", ["trusted", "branch"])
def test_what_a_role_cannot_do(
    trust: str, account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = account.client("ecr")
    scene = job(tmp_path, account, oidc, trust, ROLES[trust]["policy"])
    folder = scene.log_in(DECISIONS[trust], monkeypatch)
    client = client_of(folder)

    for name in sorted(set(NAMES) - set(WRITABLE[trust])):
        with pytest.raises(Denied):
            push_bytes(client, Reference(account.host, name), scene.key.encode())
        missing = "ecr:BatchCheckLayerAvailability" if trust == "trusted" else "ecr:InitiateLayerUpload"
        assert missing in account.gate.refused[-1]
        if trust == "trusted":
            with pytest.raises(Denied, match="ecr:ListImages"):
                client.tags(Reference(account.host, name))
        else:
            with pytest.raises(NotFound):
                client.get(Reference(account.host, name, "nothing-there"))
    digest = work(client, own := Reference(account.host, WRITABLE[trust][0]))
    with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
        client.delete(own.with_digest(digest))
    monkeypatch.setenv("IMAGEYARD_AWS_CREDENTIALS", str(folder / "aws-credentials"))
    assert refused("ecr", "delete_repository", repositoryName=own.repository, force=True)
    assert refused("ecr", "put_image_tag_mutability", repositoryName=own.repository, imageTagMutability="MUTABLE")
    assert refused("ecr", "set_repository_policy", repositoryName=own.repository, policyText="{}")
    assert refused("s3", "list_buckets")
    assert refused("iam", "list_users")
    assert own.repository in {one["repositoryName"] for one in admin.describe_repositories()["repositories"]}


def refused(service: str, operation: str, **given: Any) -> bool:
    """Whether the API does not let the role of the environment do this."""
    try:
        call(service, operation, "us-east-1", "trying", **given)
    except Denied as error:
        return "AccessDenied" in error.headline
    return False


TAKEN = [
    ("trusted", claims(environment=TRUSTED_ENVIRONMENT), True),
    ("trusted", claims("refs/heads/release/2.9", environment=MIRROR), True),
    ("trusted", claims("refs/heads/release/me/x", environment=TRUSTED_ENVIRONMENT), False),
    ("trusted", claims(), False),
    ("branch", claims("refs/heads/release/me/x"), True),
    ("branch", claims(file="other.yml"), False),
]
"""A few of the table in `tests/unit/access/test_aws_policies.py`, by way of a token and of AWS's API."""


@pytest.mark.parametrize(("name", "stated", "may"), TAKEN)
def test_who_may_take_a_role(
    name: str,
    stated: dict[str, str],
    may: bool,
    account: Aws,
    oidc: Oidc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = account.role(f"t-{name}", ROLES["trusted"]["policy"], ROLES[name]["trust"])
    state(oidc, stated)
    with scene(tmp_path / "job", account, oidc, ecr(arn)) as made:
        if may:
            assert made.log_in(TRUSTED, monkeypatch)
            return
        with pytest.raises(Denied, match="AccessDenied") as refused:
            made.log_in(TRUSTED, monkeypatch)
    for claim in ("sub", "repository_id", "job_workflow_ref"):
        assert f'{claim}": "{stated[claim]}"' in str(refused.value)
    assert "inv policies" in str(refused.value)


def test_a_job_that_only_asks_takes_the_role_of_branches(
    account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On main, and in no environment: it reads what is trusted, and neither writes nor makes it."""
    account.client("ecr").delete_repository(repositoryName="acme/ci-cache", force=True)
    trusted = account.role("trusted", ROLES["trusted"]["policy"], ROLES["trusted"]["trust"])
    scene = job(tmp_path, account, oidc, "branch", ROLES["branch"]["policy"])
    scene.edit(f'"trusted": "{trusted.replace(":role/trusted", ":role/branch")}"', f'"trusted": "{trusted}"')
    state(oidc, claims())
    with pytest.raises(Denied, match="AccessDenied"):
        scene.log_in(TRUSTED, monkeypatch)
    client = client_of(scene.log_in(TRUSTED, monkeypatch, as_branch=True))

    assert "acme/ci-cache" not in account.repositories()
    with pytest.raises(NotFound):
        client.get(Reference(account.host, "acme/ci", "nothing-there"))
    with pytest.raises(Denied):
        push_bytes(client, Reference(account.host, "acme/ci"), scene.key.encode())


def clean_caches(aws: Aws, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `inv cache.clean` does: lists, reads and dates tags, and takes one away."""
    client = client_of(Path(scene.exported["DOCKER_CONFIG"]))
    cache = cache_at(aws)
    assert (tags := client.tags(cache))
    assert client.head(cache.with_tag(tags[0]))
    monkeypatch.setenv("IMAGEYARD_AWS_CREDENTIALS", scene.exported["IMAGEYARD_AWS_CREDENTIALS"])
    named = Reference(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", cache.repository)
    assert list(pushed(named, ["linux-amd64-pr-1"])) == ["linux-amd64-pr-1"]
    assert untag(named, ["linux-amd64-pr-1"]) == {}


@pytest.fixture
def cached(account: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A cache in the branch repository, where the registry has it and where the API has it."""
    admin, name, tag = account.client("ecr"), "acme/ci-branch-cache", "linux-amd64-pr-1"
    admin.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []})
    admin.put_image(repositoryName=name, imageTag=tag, imageManifest=manifest)
    with monkeypatch.context() as patch:
        for name, value in {**account.env, **account.user(f"setup-{uuid4().hex[:8]}")}.items():
            patch.setenv(name, value)
        work(Client(credentials=lambda _: log_in("us-east-1", "environment").credential), cache_at(account))
    return account


def cache_at(aws: Aws) -> Reference:
    return Reference(aws.host, "acme/ci-branch-cache")


@pytest.mark.parametrize(("decision", "ref"), [(BRANCH, "refs/pull/17/merge"), (TRUSTED, "refs/heads/main")])
def test_the_role_of_branches_cleans_caches_and_nothing_else(
    decision: Decision, ref: str, cached: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a pull request is closed, and on schedule."""
    scene = job(tmp_path, cached, oidc, "branch", ROLES["branch"]["policy"])
    state(oidc, claims(ref, "docker-cache-cleanup.yml"))
    client = client_of(scene.log_in(decision, monkeypatch, as_branch=decision is TRUSTED))
    clean_caches(cached, scene, monkeypatch)

    own = Reference(cached.host, "acme/ci-branch")
    with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
        client.delete(own.with_digest(work(client, own)))
    for name in ("acme/ci", "acme/ci-cache", "acme/ci-branch"):
        with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
            untag(Reference(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", name), ["a"])


@pytest.mark.parametrize("action", ["ecr:DescribeImages", "ecr:BatchDeleteImage"])
def test_nothing_can_be_left_out_of_cleaning(
    action: str, cached: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = copy.deepcopy(ROLES["branch"]["policy"])
    clean = next(one for one in less["Statement"] if one["Sid"] == "Clean")
    assert action in clean["Action"]
    assert len(clean["Action"]) == 2
    clean["Action"].remove(action)
    scene = job(tmp_path, cached, oidc, "branch", less)
    scene.log_in(BRANCH, monkeypatch)
    cached.gate.refused.clear()
    with pytest.raises(Denied) as refused:
        clean_caches(cached, scene, monkeypatch)
    assert action in " ".join([str(refused.value), *cached.gate.refused])


def test_reading(account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who uses images."""
    scene = job(tmp_path, account, oidc, "trusted", ROLES["trusted"]["policy"])
    trusted = client_of(scene.log_in(TRUSTED, monkeypatch))
    digest = work(trusted, shared := Reference(account.host, "acme/ci"))
    raw = trusted.get(shared.with_digest(digest))
    reader = account.user(f"reader-{uuid4().hex[:8]}", ROLES["reading"]["policy"])
    for name, value in reader.items():
        monkeypatch.setenv(name, value)
    credential = log_in("us-east-1", "environment").credential
    reading = Client(credentials=lambda _: credential)
    look(reading, shared, digest)
    with pytest.raises(Denied, match="ecr:ListImages"):
        reading.tags(Reference(account.host, "acme/ci-branch"))
    with pytest.raises(Denied, match="ecr:PutImage"):
        reading.put(shared.with_tag("two"), raw.body, raw.media_type)
