"""The stack's own bridge: a network nobody has, rules outside other engines' chains."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import EnvironmentLacks
from imageyard.stack.network import free_subnet, rules

NETWORKS = st.builds(
    lambda third, prefix: str(ipaddress.ip_network(f"172.29.{third}.0/{prefix}", strict=False)),
    st.integers(0, 255),
    st.integers(20, 32),
)


@pytest.mark.parametrize(
    ("taken", "subnet"),
    [
        ((), "172.29.0.0/24"),
        (("172.29.0.0/24", "10.0.0.0/8"), "172.29.1.0/24"),
        (("172.29.0.77",), "172.29.1.0/24"),
        (("172.29.0.1/32", "172.29.1.9/30"), "172.29.2.0/24"),
        (("172.29.0.0/20", "fd00::/64", "::1"), "172.29.16.0/24"),
    ],
)
def test_the_first_free_network(taken: tuple[str, ...], subnet: str) -> None:
    assert free_subnet(taken) == subnet


@given(st.lists(NETWORKS, max_size=20))
def test_a_free_network_overlaps_nothing(taken: list[str]) -> None:
    found = ipaddress.ip_network(free_subnet(taken))
    assert found.prefixlen == 24
    assert not any(found.overlaps(ipaddress.ip_network(network)) for network in taken)


def test_no_network_is_left() -> None:
    with pytest.raises(EnvironmentLacks, match="no free network"):
        free_subnet(["172.16.0.0/12"])


def test_rules_are_about_the_bridge_alone_and_in_no_chain_that_dockerd_rebuilds() -> None:
    found = rules("iy-1", "172.29.0.0/24")
    assert [(table, rule[0]) for table, rule in found] == [
        ("nat", "POSTROUTING"),
        ("filter", "FORWARD"),
        ("filter", "FORWARD"),
    ]
    assert all("iy-1" in rule for _, rule in found)
