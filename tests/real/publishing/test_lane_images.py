"""An image of a lane on real parts: it starts from one of ours, and goes to the lane's repository alone."""

from __future__ import annotations

import json

import pytest
from imageyard.names import parse_reference
from support.lanes.catalogues import with_images
from support.registry.served import Served, tool
from support.yard.publishing import BASE, PublishingYard

pytestmark = [pytest.mark.engine]

IMAGE = "linux-acme"
VENDOR = """\
  vendor:
    lane: acme
    dockerfile: vendor/Dockerfile
    args: {BASE: "image:linux-bookworm-base"}
    names:
      linux-acme:
"""


@pytest.fixture
def yard(port: PublishingYard) -> PublishingYard:
    port.edit("images.yml", "plain: {linux, base, both}", "plain: {linux, base, both, acme}")
    port.edit("images.yml", "images:\n", f"images:\n{VENDOR}")
    port.write("lanes.yml", with_images(f"{port.host}/{port.key}/lanes", "acme: acme-ai/torch-acme@812345678"))
    port.write("vendor/Dockerfile", f"ARG BASE\nFROM ${{BASE}}\nRUN echo acme of {port.key} > /etc/vendor\n")
    port.git("add", "--all")
    return port


def tags(registry: Served, repository: str) -> set[str]:
    """What a repository has, by crane; nothing where there is none."""
    listed = json.loads(tool("curl", "--silent", f"http://{registry.host}/v2/{repository}/tags/list"))
    return set(listed.get("tags") or ())


def test_an_image_of_a_lane_goes_to_the_lanes_repository_alone(yard: PublishingYard, registry: Served) -> None:
    assert yard.inv("build", BASE).code == 0
    assert yard.inv("push", BASE).code == 0
    ours = tags(registry, yard.name)
    assert ours

    refused = yard.inv("build", IMAGE)
    assert refused.code == 2
    assert "export IMAGEYARD_LANE=acme" in refused.err

    lane = {"IMAGEYARD_LANE": "acme"}
    built = yard.inv("build", IMAGE, env=lane)
    assert built.code == 0, built.all
    pushed = yard.inv("push", IMAGE, env=lane)
    assert pushed.code == 0, pushed.all
    repository = f"{yard.key}/lanes/acme/images"
    tag = yard.inv("tag", IMAGE, env=lane).out.strip()
    assert tags(registry, repository) >= {tag}
    assert pushed.out.split()[-1].startswith(f"{yard.host}/{repository}@sha256:")
    assert yard.inv("resolve", IMAGE, env=lane).out.strip() == pushed.out.split()[-1]

    assert tags(registry, yard.name) == ours, "what is ours is as it was"
    assert tags(registry, f"{yard.name}-branch") == set()
    base = registry.client().head(yard.at(yard.tag(BASE)))[0]
    base_layers = _layers(f"{yard.repository}@{base}")
    assert _layers(str(parse_reference(pushed.out.split()[-1])))[: len(base_layers)] == base_layers

    assert yard.inv("push", BASE, env=lane).code == 2, "a run of the lane publishes nothing of ours"


def _layers(reference: str) -> list[str]:
    return [layer["digest"] for layer in json.loads(tool("crane", "manifest", reference))["layers"]]
