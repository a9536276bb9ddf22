"""One Dockerfile through the engine, a remote worker and Depot: one tag, and one image where it is reproducible."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from imageyard.names import Arch
from imageyard.project.checkout import this_arch
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.registry.served import tool
from support.yard.depot import DepotYard
from support.yard.remote import BASE

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

ARCH = this_arch()


def platform_manifest(reference: object) -> str:
    """The digest of the image itself, behind the index that its attestation makes."""
    found = json.loads(tool("crane", "manifest", reference))
    return found["manifests"][0]["digest"] if "manifests" in found else tool("crane", "digest", reference)


@pytest.mark.parametrize("provenance", ["off", "min"])
def test_what_is_reproducible_is_the_same_image_by_every_builder(
    depot_yard: DepotYard, worker_engines: Mapping[Arch, PrivateEngine], provenance: str
) -> None:
    yard = depot_yard
    yard.docker = True
    yard.edit("images.yml", "defaults:\n", f"defaults:\n  reproducible: yes\n  provenance: {provenance}\n")
    other = next(engine for arch, engine in worker_engines.items() if arch != ARCH)  # whose cache is another
    with remote_buildkit(other.host.removeprefix("unix://")) as worker:
        yard.edit("images.yml", "builders:\n", f'builders:\n  remote: {{{ARCH}: "{worker}", insecure: yes}}\n')
        yard.commit()
        tag = yard.tag(BASE, ARCH)
        found = {}
        for builder in ("local", "remote", "depot"):
            done = yard.inv("build", BASE, "--arch", ARCH, "--builder", builder)
            assert done.code == 0, done.all
            if builder == "local":
                done = yard.inv("push", BASE, "--arch", ARCH, "--at", "branch")
                assert done.code == 0, done.all
            record = yard.record(BASE, ARCH)
            assert (record["builder"], record["outcome"], record["tag"]) == (builder, "published", tag)
            found[builder] = platform_manifest(yard.at(tag))
            tool("crane", "delete", yard.at().with_digest(record["digest"]))  # the next one finds no tag
    assert len(yard.builds) == 1
    assert len(set(found.values())) == 1, found
