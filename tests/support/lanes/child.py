"""One flow of a lane in a process of its own, to be killed: ENDPOINT BUCKET `upload` FILE, `index`, or `purge` NAME.

`signed-upload` and `signed-index` are those of a channel that demands provenance.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from imageyard.aws import AwsService
from imageyard.bucket.objects import Bucket
from imageyard.console import Story
from imageyard.lanes.channels import STABLE
from imageyard.lanes.index_update import update_index
from imageyard.lanes.purge import purge
from imageyard.lanes.purge_plan import Purging
from imageyard.lanes.upload import upload_file
from imageyard.lanes.wheel import WheelRules
from support.aws.bucket import KEYS, REGION
from support.lanes.channels import BY, lane_channel
from support.lanes.signed import rules, signer

__all__ = ["LARGE"]

LARGE = lane_channel(wheels=WheelRules(["torch-acme"], "acme", 10**8, 10**9), quota=10**9)
SIGNED = replace(LARGE, channel=replace(STABLE, provenance="required"), provenance=rules())


def main(endpoint: str, name: str, what: str, *paths: str) -> None:
    bucket = Bucket(AwsService("s3", REGION, caller=KEYS, endpoint=endpoint), name)
    match what:
        case "upload":
            upload_file(bucket, LARGE, Path(*paths), BY)
        case "purge":
            wanted = Purging("acme", "stable", paths[0], "a miner is in it", "centre local")
            purge(bucket, wanted, Story.detect(), yes=True)
        case "signed-upload":
            upload_file(bucket, SIGNED, Path(*paths), BY, signer=signer())
        case "index" | "signed-index":
            update_index(bucket, SIGNED if what == "signed-index" else LARGE)
        case _:
            raise SystemExit(what)


if __name__ == "__main__":
    main(*sys.argv[1:])
