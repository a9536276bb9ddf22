"""A revoked image at a real registry: found by other clients, refused by every command, built anew with an epoch."""

from __future__ import annotations

import json

import pytest
from imageyard.oci.revocation import REVOCATION_TYPE, marker_tag
from support.github.event import push
from support.registry.served import tool
from support.yard.publishing import ARCH, BASE, PublishingYard

WHY = "its compiler is the wrong one"


@pytest.mark.engine
def test_a_revoked_image_is_refused_until_its_epoch_is_raised(port: PublishingYard) -> None:
    port.edit("images.yml", "defaults:\n", f"mirrors: [{port.repository}-mirror]\ndefaults:\n")
    job = push(port.home)
    built = port.inv("build", BASE, "--arch", ARCH, env=job)
    assert built.code == 0, built.all
    tag = port.tag(BASE)
    digest = tool("crane", "digest", port.at(tag))

    dry = port.inv("revoke", tag, "--reason", WHY)
    assert (dry.code, dry.out) == (0, "")
    assert "would be revoked" in dry.err
    assert port.inv("plan", BASE, "--at", "trusted").code == 0
    done = port.inv("revoke", tag, "--reason", WHY, "--yes")
    assert (done.code, done.out.strip()) == (0, f"{tag} {port.repository}@{digest}"), done.all
    assert f"next: raise `epoch` of {BASE} at .ci/docker/images.yml:" in done.err

    found = json.loads(tool("oras", "discover", "--plain-http", "--format", "json", port.at(tag)))
    kinds = [one["artifactType"] for one in found.get("manifests") or found["referrers"]]
    assert kinds.count(REVOCATION_TYPE) == 1
    marker = json.loads(tool("crane", "manifest", port.at(marker_tag(digest))))  # type: ignore[arg-type]
    assert marker["annotations"]["io.imageyard.revocation.reason"] == WHY

    for argv in (
        ["plan", BASE, "--at", "trusted"],
        ["resolve", BASE],
        ["wait", BASE, "--timeout", "1h"],
        ["push", BASE],
        ["mirror", BASE],
    ):
        refused = port.inv(*argv)
        assert refused.code == 10, (argv, refused.all)
        assert WHY in refused.all, argv
    again = port.inv("build", BASE, "--arch", ARCH, env=job)
    assert again.code == 10, again.all
    assert "raise `epoch`" in again.err
    assert f"it is revoked: {WHY}" in port.inv("explain", BASE, "--at", "trusted").out
    assert tool("crane", "ls", port.at()).split().count(tag) == 1, "it is there, and stays"

    port.edit("images.yml", "    dockerfile: base/Dockerfile\n", "    epoch: 2\n    dockerfile: base/Dockerfile\n")
    assert port.inv("plan", BASE, "--at", "trusted").code == 0
    anew = port.inv("build", BASE, "--arch", ARCH, env=job)
    assert anew.code == 0, anew.all
    assert port.outcomes() == {BASE: "published"}
    assert port.tag(BASE) != tag
    assert port.inv("resolve", BASE).code == 0

    port.edit("images.yml", "    epoch: 2\n", "")
    undone = port.inv("revoke", tag, "--undo", "--yes")
    assert (undone.code, undone.out.strip()) == (0, f"{tag} {port.repository}@{digest}"), undone.all
    assert port.inv("resolve", BASE).out.strip() == f"{port.repository}@{digest}"
    assert port.inv("mirror", BASE).code == 0
    skipped = port.inv("build", BASE, "--arch", ARCH, env=job)
    assert skipped.code == 0, skipped.all
    assert port.outcomes() == {BASE: "skipped"}
