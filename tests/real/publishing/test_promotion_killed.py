"""A promotion that is killed, wherever that is: no half image under a tag, and a rerun that ends well."""

from __future__ import annotations

import pytest
from imageyard.names import Absent
from imageyard.registry.states import state
from support.registry.faults import running
from support.registry.served import Served, tool
from support.yard.killed import Stalling, killed_everywhere
from support.yard.publishing import BOTH, PublishingYard

pytestmark = [pytest.mark.engine]


def test_a_promotion_that_is_killed_leaves_no_half_image_and_ends_well_the_next_time(
    port: PublishingYard, registry: Served
) -> None:
    for arch in ("amd64", "arm64"):
        assert port.inv("build", BOTH, "--arch", arch).code == 0
    tag, digests = port.tag(BOTH), set()
    with running(Stalling(registry.host, tag)) as proxy:
        port.move(proxy.host)
        for arch in ("amd64", "arm64"):
            assert port.inv("push", BOTH, "--arch", arch, "--at", "branch").code == 0
        steps = killed_everywhere(port, proxy, "promote", BOTH, "--at", "branch")
        for name in steps:
            for arch in ("amd64", "arm64"):
                assert port.inv("push", BOTH, "--arch", arch, "--at", "branch").code == 0
            next(steps)  # killed
            there = registry.reference(name, tag)
            found = state(registry.client(), there)
            assert isinstance(found, Absent) or sorted(found.platforms) == ["linux/amd64", "linux/arm64"]  # type: ignore[union-attr]
            done = port.inv("promote", BOTH, "--at", "branch")
            assert done.code == 0, done.all
            digests.add(tool("crane", "digest", there))
    assert len(digests) == 1
