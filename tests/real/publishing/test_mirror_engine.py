"""An image that was really built, at a mirror: other clients take it, and its attestation is with it."""

from __future__ import annotations

import json

import pytest
from imageyard.names import parse_reference
from support.registry.served import tool
from support.yard.publishing import ARCH, BASE, PublishingYard

pytestmark = [pytest.mark.engine]


def test_an_attested_image_is_mirrored_whole(port: PublishingYard) -> None:
    mirror = parse_reference(f"{port.repository}-mirror")
    port.edit("images.yml", "defaults:\n", f"mirrors: [{mirror}]\ndefaults:\n  provenance: min\n")
    for command in ("build", "push", "promote", "mirror"):
        done = port.inv(command, BASE)
        assert done.code == 0, done.all
    assert done.out.split() == [BASE, f"{mirror}@{tool('crane', 'digest', port.at(port.tag(BASE)))}"]
    floating = mirror.with_tag(BASE)
    listed = json.loads(tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{floating}"))["manifests"]
    assert [one.get("annotations", {}).get("vnd.docker.reference.type") for one in listed] == [
        None,
        "attestation-manifest",
    ]
    image, proof = (mirror.with_digest(one["digest"]) for one in listed)
    tool("crane", "validate", "--remote", image)
    statement = json.loads(tool("crane", "manifest", proof))["layers"][0]
    assert json.loads(tool("crane", "blob", proof.with_digest(statement["digest"])))["predicate"]
    port.remove_images()
    port.engine.docker("pull", "--quiet", str(floating))
    said = port.engine.docker("run", "--rm", "--entrypoint", "cat", str(floating), "/etc/release")
    port.engine.docker("rmi", "--force", str(floating))
    assert said.strip() == "12"
    assert listed[0]["platform"]["architecture"] == ARCH
