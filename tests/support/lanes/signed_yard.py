"""A lane whose files are signed, on S3 in memory: uploaded, indexed and verified."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from imageyard.lanes.channels import STABLE, Demand
from imageyard.lanes.index_update import IndexReport, update_index
from imageyard.lanes.lane_provenance import ProvenanceRules
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import PROVENANCE, file_key
from imageyard.lanes.signing import Signer
from imageyard.lanes.upload import Uploaded, upload_file
from support.lanes.channels import BY, lane_channel, wheel_file
from support.lanes.memory_s3 import MemoryS3, page_lies
from support.lanes.signed import rules, signer

__all__ = ["JSON_PAGE", "SignedYard", "channel"]

JSON_PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"
ANY_SIGNER = signer()


def channel(demand: Demand = "required", told: ProvenanceRules | None = None) -> LaneChannel:
    return lane_channel(replace(STABLE, provenance=demand), provenance=rules() if told is None else told)


class SignedYard:
    """A bucket with the channel `stable` of a lane, whose pages are looked at after every request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.s3 = MemoryS3()
        self.s3.after = self.check

    def check(self) -> None:
        """Pages are true; and where provenance is demanded, none names a file without it."""
        objects = {key: found.body for key, found in self.s3.objects.items()}
        assert page_lies(objects) == []
        for name in self.listed():
            assert file_key("acme", "stable", name) + PROVENANCE in objects

    def upload(self, name: str, told: LaneChannel, who: Signer | None = ANY_SIGNER, **more: Any) -> Uploaded:
        path = wheel_file(self.folder, name, **more)
        return upload_file(self.s3.bucket(), told, path, BY, self.s3.clock(), who)

    def index(self, told: LaneChannel) -> IndexReport:
        return update_index(self.s3.bucket(), told, self.s3.clock())

    def refused(self, told: LaneChannel) -> dict[str, str]:
        return {name: why.rule for name, why in self.index(told).listing.left_out}

    def listed(self) -> list[str]:
        page = json.loads(self.s3.objects[JSON_PAGE].body) if JSON_PAGE in self.s3.objects else {"files": []}
        return sorted(file["filename"] for file in page["files"])
