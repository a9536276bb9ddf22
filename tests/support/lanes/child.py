"""One flow of a lane in a process of its own, which a test kills: ENDPOINT BUCKET `upload` FILE, or `index`."""

from __future__ import annotations

import sys
from pathlib import Path

from imageyard.aws import AwsService
from imageyard.bucket.objects import Bucket
from imageyard.lanes.index_update import update_index
from imageyard.lanes.upload import upload_file
from imageyard.lanes.wheel import WheelRules
from support.aws.bucket import KEYS, REGION
from support.lanes.channels import BY, lane_channel

__all__ = ["LARGE"]

LARGE = lane_channel(wheels=WheelRules(["torch-acme"], "acme", 10**8, 10**9), quota=10**9)


def main(endpoint: str, name: str, what: str, *paths: str) -> None:
    bucket = Bucket(AwsService("s3", REGION, caller=KEYS, endpoint=endpoint), name)
    if what == "upload":
        upload_file(bucket, LARGE, Path(*paths), BY)
    else:
        update_index(bucket, LARGE)


if __name__ == "__main__":
    main(*sys.argv[1:])
