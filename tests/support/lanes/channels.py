"""A lane, its channels, and wheels in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imageyard.lanes.channels import STABLE, Channel
from imageyard.lanes.lane_rules import LaneChannel
from support.lanes.wheels import RULES, wheel

__all__ = ["BY", "lane_channel", "names", "request", "wheel_file"]

BY = {"repository": "acme-ai/torch-acme", "run": "42"}


def lane_channel(channel: Channel = STABLE, **fields: Any) -> LaneChannel:
    return LaneChannel(**{"lane": "acme", "channel": channel, "wheels": RULES, "quota": 10_000_000, **fields})


def wheel_file(folder: Path, filename: str, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / filename
    path.write_bytes(wheel(filename, **more))
    return path


def names(*versions: str) -> list[str]:
    return [f"torch_acme-{version}-py3-none-any.whl" for version in versions]


def request(action: str, *files: str, channel: str = "stable", **more: Any) -> bytes:
    said = {"action": action, "channel": channel, "files": files, "reason": "it crashes", "by": "release@acme"}
    return json.dumps({**said, **more}).encode()
