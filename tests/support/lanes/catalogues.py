"""Catalogues of lanes: a small one whose lanes have names that begin alike, and what is derived from any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imageyard.ci.providers.table import provider_of
from imageyard.lanes.document import parse
from imageyard.lanes.estate import LaneEstate, estate
from imageyard.lanes.model import LaneCatalogue

__all__ = ["BUCKET", "CENTRE", "HEAD", "LANES", "PROVIDER", "UPLOAD", "of", "rendered", "roles_of", "with_images"]

BUCKET = "example-wheels"
CENTRE = "example/main"
UPLOAD = f"{CENTRE}/.github/workflows/lane-upload.yml@refs/heads/main"
PROVIDER = provider_of({})

_CENTRE = f"""\
bucket: {BUCKET}
region: us-east-1
account: "123456789012"
roles: wheels
centre: {CENTRE}@1001
workflow: {UPLOAD}
environment: lane-upload
quota: 50GiB
"""
HEAD = f"""\
{_CENTRE}price: 0.023
images: 123456789012.dkr.ecr.us-east-1.amazonaws.com/lanes
index: https://wheels.example.org/simple/
distribution: arn:aws:cloudfront::123456789012:distribution/E2EXAMPLE
"""

LANES = f"""\
{HEAD}lanes:
  acme: acme-ai/torch-acme@812345678
  acme-evil: acme-evil/torch-acme-evil@812345679
  globex:
    repository: globex/plugin
    repository_id: 4711
    packages: [torch-globex, globex_kernels]
    environment: publish
    quota: 2TiB
    contacts: [wheels@globex.example]
  initech:
    repository: initech/torch-initech@99
    state: suspended
"""


def with_images(images: str, *lanes: str) -> str:
    """A catalogue of lanes, each `NAME: REPOSITORY`, whose images are below `images`."""
    return f"{_CENTRE}images: {images}\nlanes:\n" + "".join(f"  {lane}\n" for lane in lanes)


def of(text: str = LANES) -> LaneCatalogue:
    """A catalogue of lanes from its text."""
    return parse(text)


def rendered(text: str = LANES, lane: str | None = None) -> LaneEstate:
    """What has to stand for a catalogue, or for one of its lanes."""
    return estate(of(text), PROVIDER, lane)


def roles_of(text: str = LANES) -> Mapping[str, Mapping[str, Any]]:
    """The trust and the policy of each role, by what its name ends in: `acme`, `indexer`, `purge`."""
    return {
        role.name.removeprefix("wheels-").removeprefix("lane-"): {"trust": role.trust, "policy": role.policy}
        for role in rendered(text).roles
    }
