"""AWS, GitHub's tokens and a job in a scratch catalogue, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_served import Aws, served, trust_of
from login_scratch import MAIN, PULL, Scene, ecr, scene
from oidc_served import Oidc
from oidc_served import served as oidc_served
from registry_served import Served


@pytest.fixture(scope="module")
def oidc() -> Iterator[Oidc]:
    with oidc_served() as service:
        yield service


@pytest.fixture(scope="module")
def aws(registry: Served, oidc: Oidc) -> Iterator[Aws]:
    with served(registry.host, oidc.key) as account:
        yield account


@pytest.fixture
def roles(aws: Aws, oidc: Oidc) -> dict[str, str]:
    """Roles as they should be, and everything else as it was."""
    aws.api.faults.clear()
    aws.api.operations.clear()
    oidc.faults.clear()
    oidc.log.clear()
    oidc.subject, oidc.life, oidc.audience = MAIN, 300.0, None
    return {"trusted": aws.role("trusted", trust=trust_of(MAIN)), "branch": aws.role("branch", trust=trust_of(PULL))}


@pytest.fixture
def job(tmp_path: Path, aws: Aws, oidc: Oidc, roles: dict[str, str]) -> Iterator[Scene]:
    """A push to main, in a catalogue that lets repositories be made."""
    with scene(tmp_path / "job", aws, oidc, ecr(roles, create="yes")) as made:
        yield made
