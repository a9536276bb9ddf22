"""The policies of `docs/credentials.md`, jobs whose roles have them, and the work that they are for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Manifest
from imageyard.registry.blobs import read
from imageyard.registry.client import Client
from imageyard.registry.credentials import DockerConfig
from imageyard.registry.referrers import referrers
from support.aws.served import Aws
from support.github.oidc import Oidc
from support.registry.served import put_image
from support.yard.login import BRANCH, TRUSTED, Scene, ecr, scene

PAGE = Path(__file__).parents[3] / "docs" / "credentials.md"
BLOCK = re.compile(r"<!-- (policy|trust): ([a-z-]+) -->\n```json\n(.*?)```", re.DOTALL)
DOCUMENTS: Mapping[tuple[str, str], Any] = {(k, n): json.loads(text) for k, n, text in BLOCK.findall(PAGE.read_text())}
NAMES = ("acme/ci", "acme/ci-cache", "acme/ci-branch", "acme/ci-branch-cache")
WRITABLE = {"trusted": ("acme/ci", "acme/ci-cache"), "branch": ("acme/ci-branch", "acme/ci-branch-cache")}
SUBJECTS = {"trusted": "repo:acme/images:ref:refs/heads/main", "branch": "repo:acme/images:pull_request"}
DECISIONS = {"trusted": TRUSTED, "branch": BRANCH}


def job(folder: Path, aws: Aws, oidc: Oidc, trust: str, policy: Any) -> Scene:
    """A job whose role has a policy, in a catalogue with the page's repositories."""
    oidc.subject = SUBJECTS[trust]
    arn = aws.role(trust, policy, DOCUMENTS["trust", trust])
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


def and_cleaning(trust: str, *without: str) -> Any:
    """A role's policy with the one for cleaning beside it."""
    document = copy.deepcopy(DOCUMENTS["policy", trust])
    (clean,) = copy.deepcopy(DOCUMENTS["policy", "cleaning"]["Statement"])
    clean["Action"] = [action for action in clean["Action"] if action not in without]
    document["Statement"].append(clean)
    return document
