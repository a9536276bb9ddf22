"""Which vendor a registry is of, and what each answers where others have nothing to say."""

from __future__ import annotations

import pytest
from imageyard.names import Reference
from imageyard.registry.vendors.table import vendor_of

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
