"""Roles at AWS, and a job in a scratch catalogue that may take them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.aws.served import Aws, trust_of
from support.github.oidc import Oidc
from support.yard.login import MAIN, PULL, Scene, ecr, scene


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
