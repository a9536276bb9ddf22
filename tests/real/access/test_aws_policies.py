"""The policies of `docs/credentials.md`, given to roles: they suffice, none says too much, and who may take them.

What judges is no AWS. moto judges calls of the API by action, and takes every repository for `*`; it judges neither
trust policies nor conditions nor tokens. Repositories, at the API and at the registry, trust policies and tokens are
judged by `support.aws.policy`, which knows what these documents use and refuses the rest. Neither knows permission
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
from imageyard.aws import call
from imageyard.errors import Denied, NotFound
from imageyard.names import Reference
from imageyard.oci.manifests import OCI_MANIFEST
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from imageyard.registry.vendors.ecr import log_in
from imageyard.registry.vendors.ecr_tags import pushed, untag
from support.aws.policy import may_assume
from support.aws.served import ACCOUNT, PROVIDER, Aws
from support.github.oidc import Oidc
from support.yard.login import TRUSTED, Scene, ecr, scene
from support.yard.policies import DECISIONS, DOCUMENTS, NAMES, PAGE, WRITABLE, and_cleaning, client_of, job, look, work


def test_the_page_has_them_all() -> None:
    assert set(DOCUMENTS) == {
        *(("policy", name) for name in ("trusted", "branch", "cleaning", "reading")),
        *(("trust", name) for name in ("trusted", "trusted-by-environment", "branch")),
    }
    assert PAGE.read_text().count("```json") == len(DOCUMENTS)


@pytest.fixture
def account(aws: Aws, roles: dict[str, str]) -> Aws:
    """The repositories of the page are there, made by somebody else."""
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
    scene = job(tmp_path, account, oidc, trust, DOCUMENTS["policy", trust])

    client = client_of(scene.log_in(DECISIONS[trust], monkeypatch))

    assert scene.story.count("Made the repository") == 2
    for name in WRITABLE[trust]:
        work(client, Reference(account.host, name))


def actions() -> Iterator[tuple[str, int, str]]:
    for trust in ("trusted", "branch"):
        for number, statement in enumerate(DOCUMENTS["policy", trust]["Statement"]):
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
    less = copy.deepcopy(DOCUMENTS["policy", trust])
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
    scene = job(tmp_path, account, oidc, trust, DOCUMENTS["policy", trust])
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


TRUST = [
    ("trusted", "repo:acme/images:ref:refs/heads/main", True),
    ("trusted", "repo:acme/images:ref:refs/heads/release/2.9", True),
    ("trusted", "repo:acme/images:ref:refs/heads/mainly", False),
    ("trusted", "repo:acme/images:ref:refs/heads/feature", False),
    ("trusted", "repo:acme/images:pull_request", False),
    ("trusted", "repo:acme/images:ref:refs/tags/ciflow/docker/1", False),
    ("trusted", "repo:acme/images:environment:docker-mirror", True),
    ("trusted", "repo:acme/images:environment:images", False),
    ("trusted", "repo:acme/images-of-others:ref:refs/heads/main", False),
    ("trusted", "repo:acme-evil/images:ref:refs/heads/main", False),
    ("trusted", "repo:else/fork:ref:refs/heads/main", False),
    ("trusted-by-environment", "repo:acme/images:environment:images", True),
    ("trusted-by-environment", "repo:acme/images:environment:images-else", False),
    ("trusted-by-environment", "repo:acme/images:ref:refs/heads/main", False),
    ("branch", "repo:acme/images:pull_request", True),
    ("branch", "repo:acme/images:ref:refs/heads/feature", True),
    ("branch", "repo:acme/images:ref:refs/tags/ciflow/docker/17", True),
    ("branch", "repo:acme/images:ref:refs/tags/v1", False),
    ("branch", "repo:else/fork:pull_request", False),
]


@pytest.mark.parametrize(("name", "subject", "may"), TRUST)
def test_who_may_take_a_role(
    name: str,
    subject: str,
    may: bool,
    account: Aws,
    oidc: Oidc,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = account.role(f"t-{name}", DOCUMENTS["policy", "trusted"], DOCUMENTS["trust", name])
    oidc.subject = subject
    with scene(tmp_path / "job", account, oidc, ecr(arn)) as made:
        if may:
            assert made.log_in(TRUSTED, monkeypatch)
            return
        with pytest.raises(Denied, match="AccessDenied") as refused:
            made.log_in(TRUSTED, monkeypatch)
        assert f'sub": "{subject}"' in str(refused.value)


@pytest.mark.parametrize("name", ["trusted", "trusted-by-environment", "branch"])
def test_no_other_audience_is_taken(
    name: str, account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in refuses a wrong audience before it reads the policy, so the policy is asked by itself."""
    subject = next(subject for role, subject, may in TRUST if role == name and may)
    document = DOCUMENTS["trust", name]
    assert may_assume(document, PROVIDER, {"sub": subject, "aud": "sts.amazonaws.com"})
    assert not may_assume(document, PROVIDER, {"sub": subject, "aud": "https://github.com/acme"})
    assert not may_assume(document, PROVIDER, {"sub": subject})
    assert not may_assume(document, "token.of.others.example", {"sub": subject, "aud": "sts.amazonaws.com"})


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


@pytest.mark.parametrize("trust", ["trusted", "branch"])
def test_both_roles_clean_caches_and_nothing_else(
    trust: str, cached: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = job(tmp_path, cached, oidc, trust, and_cleaning(trust))
    client = client_of(scene.log_in(DECISIONS[trust], monkeypatch))
    clean_caches(cached, scene, monkeypatch)

    own = Reference(cached.host, WRITABLE[trust][0])
    with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
        client.delete(own.with_digest(work(client, own)))
    for name in ("acme/ci", "acme/ci-cache", "acme/ci-branch"):
        with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
            untag(Reference(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", name), ["a"])


@pytest.mark.parametrize("action", DOCUMENTS["policy", "cleaning"]["Statement"][0]["Action"])
def test_nothing_can_be_left_out_of_cleaning(
    action: str, cached: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = job(tmp_path, cached, oidc, "trusted", and_cleaning("trusted", action))
    scene.log_in(TRUSTED, monkeypatch)
    cached.gate.refused.clear()
    with pytest.raises(Denied) as refused:
        clean_caches(cached, scene, monkeypatch)
    assert action in " ".join([str(refused.value), *cached.gate.refused])


def test_reading(account: Aws, oidc: Oidc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who uses images."""
    scene = job(tmp_path, account, oidc, "trusted", DOCUMENTS["policy", "trusted"])
    trusted = client_of(scene.log_in(TRUSTED, monkeypatch))
    digest = work(trusted, shared := Reference(account.host, "acme/ci"))
    raw = trusted.get(shared.with_digest(digest))
    reader = account.user(f"reader-{uuid4().hex[:8]}", DOCUMENTS["policy", "reading"])
    for name, value in reader.items():
        monkeypatch.setenv(name, value)
    credential = log_in("us-east-1", "environment").credential
    reading = Client(credentials=lambda _: credential)
    look(reading, shared, digest)
    with pytest.raises(Denied, match="ecr:ListImages"):
        reading.tags(Reference(account.host, "acme/ci-branch"))
    with pytest.raises(Denied, match="ecr:PutImage"):
        reading.put(shared.with_tag("two"), raw.body, raw.media_type)
