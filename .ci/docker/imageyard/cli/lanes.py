"""Lanes of vendors: what has to stand for them at AWS, as text, and made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.entry import JSON, task

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.lanes.model import LaneCatalogue

__all__ = ["TASKS"]

LANES = "another catalogue of lanes than lanes.yml beside the catalogue of images"


@task(
    changes=False,
    may_be_first="lane",
    lane="one lane alone; default: all, with the roles of the centre and the policy of the bucket",
    json=JSON,
    lanes=LANES,
)
def render(context: Context, lane: str | None = None, json: bool = False, lanes: str | None = None) -> object:
    """Print what has to stand at AWS for lanes, as Terraform: roles, policies, repositories, the bucket's policy."""
    from imageyard.lanes.estate import estate, estate_as_data
    from imageyard.lanes.terraform import render as terraform

    wanted = estate(_lanes(lanes), _provider(), lane)
    return estate_as_data(wanted) if json else terraform(wanted)


@task(changes="yes", yes="change it; without it only the differences are printed", lanes=LANES)
def provision(context: Context, yes: bool = False, lanes: str | None = None) -> object:
    """Print what differs between AWS and the catalogue of lanes, and make it the same with --yes."""
    from imageyard.console import Story
    from imageyard.lanes.account import LaneAccount
    from imageyard.lanes.provision import provision as flow

    found = _lanes(lanes)
    account = LaneAccount(found.bucket, found.region)
    return flow(found, _provider(), account, Story.detect(), yes=yes) or None


@task(
    changes="yes",
    lane="the lane, which is suspended or gone from the catalogue of lanes",
    yes="delete it; without it only what would go is printed",
    lanes=LANES,
)
def deprovision(context: Context, lane: str, yes: bool = False, lanes: str | None = None) -> object:
    """Delete the role of a lane; its files and repositories stay."""
    from imageyard.console import Story
    from imageyard.lanes.account import LaneAccount
    from imageyard.lanes.provision import deprovision as flow

    found = _lanes(lanes)
    return flow(found, lane, LaneAccount(found.bucket, found.region), Story.detect(), yes=yes) or None


def _lanes(lanes: str | None) -> LaneCatalogue:
    from pathlib import Path

    from imageyard.lanes.document import load
    from imageyard.project.checkout import find_checkout

    if lanes:
        return load(Path(lanes))
    checkout = find_checkout()
    return load(checkout.file.with_name("lanes.yml"), checkout.in_repository("lanes.yml"))


def _provider() -> Provider:
    import os

    from imageyard.ci.providers.table import provider_of

    return provider_of(os.environ)


TASKS = [render, provision, deprovision]
