"""Which vendor a registry is of, and what each answers where others have nothing to say."""

from __future__ import annotations

from typing import Any

import pytest
from imageyard.http.transport import Http
from imageyard.names import Reference
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors import ghcr
from imageyard.registry.vendors.table import vendor_of
from support.github.served import github

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "untags", "hint"),
    [
        (ECR, True, "switched off"),
        ("ghcr.io", False, "GitHub deletes versions"),
        ("ghcr.io.example.org", False, "switched off"),
        ("127.0.0.1:5000", False, "switched off"),
        ("docker.io", False, "switched off"),
    ],
)
def test_a_vendor_is_known_by_its_host(host: str, untags: bool, hint: str) -> None:
    vendor = vendor_of(host)
    assert vendor.untags is untags
    assert hint in vendor.deletion_hint


@pytest.mark.parametrize("host", ["ghcr.io", "127.0.0.1:5000"])
def test_a_registry_without_habits_is_asked_nothing(host: str) -> None:
    """None is not an empty answer: who asks goes on by the protocol that all registries have."""
    repository = Reference(host, "a/b")
    vendor = vendor_of(host)
    vendor.refuse_immutable(repository.with_tag("t"))
    assert vendor.pushed_at(repository, ["t"]) is None
    assert vendor.untag(repository, ["t"]) is None


ORG, USER = "orgs/acme/packages/container/ci%2Fimages", "users/acme/packages/container/ci%2Fimages"
LINKED: dict[str, Any] = {"name": "ci/images", "repository": {"full_name": "acme/images"}}
BARE: dict[str, Any] = {"name": "ci/images", "repository": None}
TOKEN = "github-token-of-the-job"


@pytest.mark.parametrize(
    ("packages", "token", "linked"),
    [
        ({ORG: LINKED}, TOKEN, True),
        ({USER: LINKED}, TOKEN, True),
        ({ORG: BARE}, TOKEN, False),
        ({ORG: {"name": "ci/images"}}, TOKEN, False),
        ({ORG: {"repository": "acme/images"}}, TOKEN, False),
        ({}, TOKEN, False),
        ({ORG: LINKED}, "another token", False),
        ({ORG: LINKED}, "", False),
    ],
)
def test_a_package_that_is_linked_may_be_open_to_all_branches(
    packages: dict[str, Any], token: str, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with github() as hub:
        hub.packages = packages
        monkeypatch.setattr(ghcr, "API", hub.url)
        said = Client(credentials=lambda _: Credential("acme", token)).open_to(Reference("ghcr.io", "acme/ci/images"))
    if linked:
        assert said is not None
        assert said.startswith("ghcr.io/acme/ci/images is linked to the repository acme/images")
        assert "`Inherit access from source repository`" in said
    else:
        assert said is None


def test_a_package_that_nobody_can_ask_about_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with github() as hub:
        address = hub.url
    monkeypatch.setattr(ghcr, "API", address)
    assert vendor_of("ghcr.io").open_to(Reference("ghcr.io", "acme/ci"), Credential("acme", TOKEN), Http()) is None


def test_only_ghcr_asks_github() -> None:
    assert vendor_of("127.0.0.1:5000").open_to(Reference("127.0.0.1:5000", "a/b"), Credential("a", "b"), Http()) is None
