"""Which runs are in an environment: those that write what is trusted by GHCR's token or a role of theirs alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.access.environments import MIRROR, TRUSTED, environment, trusted_environments
from imageyard.catalogue import expand
from imageyard.plan.trust import LOCAL, Decision, Event, decide

HERE = "example/images"
RUN = decide(Event("push", ref="refs/heads/main"), ["main"])
BRANCH = decide(Event("pull request", repository=HERE, head=HERE, number=17), ["main"])
FORK = decide(Event("pull request", repository=HERE, head="elsewhere/images", number=17), ["main"])

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ci"
ROLE = "ecr: {role: arn:aws:iam::123456789012:role/images, region: us-east-1}"
ROLES = "ecr: {role: {trusted: %s, branch: %s}, region: us-east-1}" % (("arn:aws:iam::123456789012:role/images",) * 2)
GHCR = "registry: ghcr.io/acme/ci"
BOTH = "registry: {trusted: ghcr.io/acme/ci, branch: ghcr.io/acme/ci-branch}"
CACHED = f"registry: {ECR}\n{ROLE}\ncache: {{trusted: ghcr.io/acme/cache, branch: ghcr.io/acme/cache-branch}}"


@pytest.mark.parametrize(
    ("catalogue", "decision", "found"),
    [
        (GHCR, RUN, MIRROR),
        (GHCR, replace(RUN, mirror=False, tags="weekly", day="20260131"), MIRROR),
        (GHCR, BRANCH, ""),
        (GHCR, FORK, ""),
        (GHCR, LOCAL, ""),
        (BOTH, RUN, MIRROR),
        (BOTH, BRANCH, ""),
        (CACHED, RUN, MIRROR),
        (CACHED, BRANCH, ""),
        (f"registry: {ECR}\n{ROLE}\nmirrors: [ghcr.io/acme/ci]", RUN, ""),
        (f"registry: {ECR}\n{ROLES}\nmirrors: [ghcr.io/acme/ci]", RUN, TRUSTED),
        (f"registry: {ECR}\n{ROLES}", replace(RUN, mirror=False, tags="weekly", day="20260131"), TRUSTED),
        (f"registry: {ECR}\n{ROLES}", BRANCH, ""),
        (f"registry: {ECR}\n{ROLES}", FORK, ""),
        (f"registry: {ECR}\n{ROLES}", LOCAL, ""),
        (f"{GHCR}\n{ROLES}", RUN, MIRROR),
        (f"registry: 127.0.0.1:5000/ci\n{ROLES}", RUN, TRUSTED),
        ("registry: registry.example/ci", RUN, ""),
        ("registry: registry.example/ci\nbuilders: {depot: {trusted: t, branch: b}}", RUN, TRUSTED),
        ("registry: registry.example/ci\nbuilders: {depot: {trusted: t, branch: b}}", BRANCH, ""),
        ("registry: registry.example/ci\nbuilders: {depot: {branch: b}}", RUN, ""),
        (f"{GHCR}\nbuilders: {{depot: {{trusted: t, branch: b}}}}", RUN, MIRROR),
        ("registry: 127.0.0.1:5000/ci", RUN, MIRROR),  # a registry of this machine stands for GHCR
        (f"registry: 127.0.0.1:5000/ci\n{ROLE}", RUN, ""),  # and beside `ecr` for ECR
        ("", RUN, ""),
    ],
)
def test_who_needs_it(catalogue: str, decision: Decision, found: str, tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    file.write_text(
        f"{catalogue}\nimages: {{a: {{dockerfile: D, names: {{linux: }}}}}}\naxes: {{plain: {{linux: }}}}\n"
    )
    loaded = expand.load(file, tmp_path)
    assert environment(loaded, decision) == found
    assert not found or found in trusted_environments(loaded), "a job that mirrors is there too, elsewhere"
