"""A machine's own credentials, as EC2's metadata service (version 2) gives them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler

from support.registry.faults import Answer, Proxy

__all__ = ["Metadata"]

_ROLE = "/latest/meta-data/iam/security-credentials/"


class Metadata(Proxy):
    """The service of a machine whose profile has the role `machine` (Amazon EC2 User Guide, IMDSv2)."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__(None)
        self.keys = keys

    @property
    def env(self) -> Mapping[str, str]:
        """What points botocore at it."""
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self.host}", "AWS_EC2_METADATA_DISABLED": "false"}

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        if handler.command == "PUT" and handler.path == "/latest/api/token":
            return _text("session")
        if handler.headers.get("X-aws-ec2-metadata-token") != "session":
            return _text("", 401)
        if handler.path == _ROLE:
            return _text("machine")
        if handler.path == f"{_ROLE}machine":
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 3600))
            given = {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": self.keys["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": self.keys["AWS_SECRET_ACCESS_KEY"],
                "Token": self.keys["AWS_SESSION_TOKEN"],
                "Expiration": ends,
            }
            return _text(json.dumps(given))
        return _text("", 404)


def _text(text: str, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "text/plain", "Content-Length": str(len(text))}, text.encode())
