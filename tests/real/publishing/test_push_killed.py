"""A push that is killed, wherever that is: no half image under a tag, and a rerun that ends well."""

from __future__ import annotations

import json

import pytest
from imageyard.names import Absent, Present
from imageyard.registry.states import inspect, state
from support.registry.faults import running
from support.registry.served import Served, tool
from support.yard.killed import Stalling, killed_everywhere
from support.yard.publishing import ARCH, BASE, PublishingYard

pytestmark = [pytest.mark.engine]


def test_a_push_that_is_killed_leaves_no_half_image_and_ends_well_the_next_time(
    port: PublishingYard, registry: Served
) -> None:
    port.edit("images.yml", "defaults:\n", "defaults:\n  provenance: min\n")
    assert port.inv("build", BASE).code == 0
    tag, digests, seen = port.tag(BASE), set(), set()
    with running(Stalling(registry.host, tag)) as proxy:
        port.move(proxy.host)
        steps = killed_everywhere(port, proxy, "push", BASE, "--at", "branch")
        for name in steps:
            next(steps)  # killed
            there = registry.reference(name, tag)
            found = state(registry.client(), there)
            seen.add(type(found))
            if isinstance(found, Present):
                assert inspect(registry.client(), there, thorough=True).faults([f"linux/{ARCH}"]) == []
                assert len(json.loads(port.inv("records", BASE, "--at", "branch", "--json").out)) == 1
            done = port.inv("push", BASE, "--at", "branch")
            assert done.code == 0, done.all
            digests.add(tool("crane", "digest", there))
            assert len(json.loads(port.inv("records", BASE, "--at", "branch", "--json").out)) == 1
    assert len(digests) == 1, "the image that passed its checks, whatever happened on the way"
    assert seen == {Absent, Present}
