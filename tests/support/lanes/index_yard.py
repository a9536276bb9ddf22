"""A bucket in memory with a channel of a lane: uploads, requests and the indexer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imageyard.lanes.index_update import IndexReport, update_index
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import requests_prefix
from imageyard.lanes.upload import Uploaded, upload_file
from support.lanes.channels import BY, lane_channel, wheel_file
from support.lanes.memory_s3 import MemoryS3, page_lies

__all__ = ["JSON_PAGE", "RULES_HERE", "Yard"]

RULES_HERE = lane_channel()
JSON_PAGE = "index/acme/stable/simple/torch-acme/index.v1_json"


class Yard:
    """A bucket with the channel `stable` of a lane, whose pages are looked at after every request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.s3 = MemoryS3()
        self.s3.after = self.check

    def check(self) -> None:
        assert page_lies({key: found.body for key, found in self.s3.handed_out.items()}) == []

    def upload(self, filename: str, rules: LaneChannel = RULES_HERE, **more: Any) -> Uploaded:
        path = wheel_file(self.folder, filename, **more)
        return upload_file(self.s3.bucket(), rules, path, BY, self.s3.clock())

    def index(self, rules: LaneChannel = RULES_HERE) -> IndexReport:
        return update_index(self.s3.bucket(), rules, self.s3.clock())

    def ask(self, name: str, body: bytes, lane: str = "acme") -> None:
        self.s3.put(f"{requests_prefix(lane)}{name}.json", body)

    def page(self, key: str = JSON_PAGE) -> Mapping[str, Any]:
        page: Mapping[str, Any] = json.loads(self.s3.objects[key].body)
        return page

    def listed(self, key: str = JSON_PAGE) -> list[str]:
        return sorted(file["filename"] for file in self.page(key)["files"]) if key in self.s3.objects else []

    def log(self) -> list[Mapping[str, Any]]:
        return [json.loads(each.body)["content"] for key, each in sorted(self.s3.objects.items()) if key[:4] == "log/"]
