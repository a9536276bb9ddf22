"""What `inv policies` prints for a catalogue, jobs whose roles have it, and the work that the roles are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from imageyard.access.aws_policies import policies
from imageyard.access.environments import TRUSTED as TRUSTED_ENVIRONMENT
from imageyard.catalogue import expand
from imageyard.ci.providers.base import Home
from imageyard.ci.providers.table import provider_of
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Manifest
from imageyard.registry.blobs import read
from imageyard.registry.client import Client
from imageyard.registry.credentials import DockerConfig
from imageyard.registry.referrers import referrers
from support.aws.served import ACCOUNT, REGION, Aws
from support.github.oidc import Oidc
from support.registry.served import put_image
from support.yard.login import BRANCH, TRUSTED, Scene, ecr, scene

ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
CATALOGUE = f"""\
registry: {{trusted: {ECR}/acme/ci, branch: {ECR}/acme/ci-branch}}
cache: {{trusted: {ECR}/acme/ci-cache, branch: {ECR}/acme/ci-branch-cache}}
ecr:
  role: {{trusted: "arn:aws:iam::{ACCOUNT}:role/trusted", branch: "arn:aws:iam::{ACCOUNT}:role/branch"}}
  region: {REGION}
  create: yes
mirrors: [ghcr.io/acme/ci]
protected: [main, "release/*"]
images: {{a: {{dockerfile: D, names: {{linux: }}}}}}
axes: {{plain: {{linux: }}}}
"""
HOME = Home("acme/images", "5678")


def rendered(text: str = CATALOGUE, *, tags: bool = False) -> Mapping[str, Any]:
    """The policies for a catalogue, by role."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "images.yml"
        file.write_text(text)
        return policies(expand.load(file, Path(folder)), provider_of({}), HOME, tags=tags)


def claims(ref: str = "refs/heads/main", file: str = "docker-builds.yml", **other: str | None) -> dict[str, str]:
    """What GitHub states of a job: by default one of main that is in no environment. A claim of None is left out."""
    environment = other.get("environment")
    pull = f"environment:{environment}" if environment else "pull_request" if "/pull/" in ref else f"ref:{ref}"
    name = other.get("repository", HOME.name)
    stated = {
        "sub": f"repo:{name}:{pull}",
        "aud": "sts.amazonaws.com",
        "repository": name,
        "repository_id": HOME.number,
        "ref": ref,
        "job_workflow_ref": f"{name}/.github/workflows/{file}@{ref}",
        **other,
    }
    return {name: value for name, value in stated.items() if value is not None}


ROLES = rendered()
NAMES = ("acme/ci", "acme/ci-cache", "acme/ci-branch", "acme/ci-branch-cache")
WRITABLE = {"trusted": ("acme/ci", "acme/ci-cache"), "branch": ("acme/ci-branch", "acme/ci-branch-cache")}
CLAIMS = {"trusted": claims(environment=TRUSTED_ENVIRONMENT), "branch": claims("refs/pull/17/merge")}
DECISIONS = {"trusted": TRUSTED, "branch": BRANCH}


def job(folder: Path, aws: Aws, oidc: Oidc, trust: str, policy: Any) -> Scene:
    """A job whose role has a policy, in a catalogue with these repositories."""
    state(oidc, CLAIMS[trust])
    arn = aws.role(trust, policy, ROLES[trust]["trust"])
    with scene(folder / f"job-{trust}", aws, oidc, ecr({"trusted": arn, "branch": arn}, create="yes")) as made:
        for ending in ("-branch-cache", "-cache", "-branch", ""):
            made.edit(f"{aws.host}/{made.key}{ending}", f"{aws.host}/acme/ci{ending}")
        return made


def work(client: Client, repository: Reference) -> Digest:
    """What pushing, proving and reading an image does, in a repository; returns its digest."""
    digest = put_image(client, repository, note=uuid4().hex)
    raw = client.get(repository.with_digest(digest))
    tag = uuid4().hex  # repositories outlive a test here, and hold their tags
    client.put(repository.with_tag(tag), raw.body, raw.media_type)
    assert tag in client.tags(repository)
    look(client, repository, digest)
    return digest


def look(client: Client, repository: Reference, digest: Digest) -> None:
    """What reading does."""
    raw = client.get(repository.with_digest(digest))
    parsed = raw.parsed()
    assert isinstance(parsed, Manifest)
    assert client.tags(repository)
    assert read(client, repository, parsed.config.digest)
    assert referrers(client, repository.with_digest(raw.digest)) == ()


def client_of(folder: Path) -> Client:
    return Client(credentials=DockerConfig(folder).find)


def state(oidc: Oidc, stated: Mapping[str, str]) -> None:
    """Let the service give tokens with these claims; the audience is the one that is asked for."""
    oidc.subject = stated["sub"]
    oidc.claims = {name: value for name, value in stated.items() if name not in ("sub", "aud")}
