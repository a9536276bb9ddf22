"""Which runs are in the environment that holds GHCR's token: those that write what is trusted there, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.access.login import ENVIRONMENT, environment
from imageyard.catalogue import expand
from imageyard.plan.trust import LOCAL, Decision, Event, decide

HERE = "example/images"
TRUSTED = decide(Event("push", ref="refs/heads/main"), ["main"])
BRANCH = decide(Event("pull request", repository=HERE, head=HERE, number=17), ["main"])
FORK = decide(Event("pull request", repository=HERE, head="elsewhere/images", number=17), ["main"])

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ci"
ROLE = "ecr: {role: arn:aws:iam::123456789012:role/images, region: us-east-1}"
GHCR = "registry: ghcr.io/acme/ci"
BOTH = "registry: {trusted: ghcr.io/acme/ci, branch: ghcr.io/acme/ci-branch}"
CACHED = f"registry: {ECR}\n{ROLE}\ncache: {{trusted: ghcr.io/acme/cache, branch: ghcr.io/acme/cache-branch}}"


@pytest.mark.parametrize(
    ("catalogue", "decision", "found"),
    [
        (GHCR, TRUSTED, ENVIRONMENT),
        (GHCR, replace(TRUSTED, mirror=False, tags="weekly", day="20260131"), ENVIRONMENT),
        (GHCR, BRANCH, ""),
        (GHCR, FORK, ""),
        (GHCR, LOCAL, ""),
        (BOTH, TRUSTED, ENVIRONMENT),
        (BOTH, BRANCH, ""),
        (CACHED, TRUSTED, ENVIRONMENT),
        (CACHED, BRANCH, ""),
        (f"registry: {ECR}\n{ROLE}\nmirrors: [ghcr.io/acme/ci]", TRUSTED, ""),
        ("registry: registry.example/ci", TRUSTED, ""),
        ("registry: 127.0.0.1:5000/ci", TRUSTED, ENVIRONMENT),  # a registry of this machine stands for GHCR
        (f"registry: 127.0.0.1:5000/ci\n{ROLE}", TRUSTED, ""),  # and beside `ecr` for ECR
        ("", TRUSTED, ""),
    ],
)
def test_who_needs_it(catalogue: str, decision: Decision, found: str, tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    file.write_text(
        f"{catalogue}\nimages: {{a: {{dockerfile: D, names: {{linux: }}}}}}\naxes: {{plain: {{linux: }}}}\n"
    )
    assert environment(expand.load(file, tmp_path), decision) == found
