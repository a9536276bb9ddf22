"""ECR's API of images: moto keeps them, and what it lacks is in front: archive, pulls, pages, what refers to what.

(Amazon ECR API, DescribeImages and BatchDeleteImage; Amazon ECR User Guide, "Archiving an image".)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import urllib3
from imageyard.names import Digest
from support.keep.modelled import Repository
from support.registry.faults import Answer, Proxy

__all__ = ["Archive", "EcrImages"]

_TARGET = "AmazonEC2ContainerRegistry_V20150921"
_CONFIG = "application/vnd.oci.image.config.v1+json"


class EcrImages(Proxy):
    """The API of the account; `calls` are the operations and what they were given, `refuse` failure codes by digest.

    Times are those of the repository's world, whose end is `now`. What is deleted is deleted at its registry, too.
    """

    def __init__(self, moto: str, repository: Repository, now: datetime, page: int = 50) -> None:
        super().__init__(moto)
        self.repository, self.now, self.page = repository, now, page
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        self.name = repository.place.repository
        self._call("CreateRepository", repositoryName=self.name)

    def keep(self) -> None:
        """Have the account list all that the registry has."""
        for digest in self.repository.world.manifests:
            raw = self.repository.client.get(self.repository.place.with_digest(Digest(digest)))
            given = {"imageManifest": raw.body.decode(), "imageManifestMediaType": raw.media_type}
            self._call("PutImage", repositoryName=self.name, imageDigest=digest, **given)

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        operation = (handler.headers.get("X-Amz-Target") or "").rpartition(".")[2]
        given = json.loads(body)
        self.calls.append((operation, given))
        match operation:
            case "DescribeImages":
                return _json(200, self._described(given))
            case "BatchDeleteImage":
                if len(given["imageIds"]) > 100:
                    return _json(400, {"__type": "InvalidParameterException", "message": "imageIds: at most 100"})
                return _json(200, self._deleted(given))
            case _:
                return None

    def _call(self, operation: str, **given: Any) -> Any:
        headers = {"X-Amz-Target": f"{_TARGET}.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request"
        sent = json.dumps(given).encode()
        reply = urllib3.request("POST", f"http://{self.upstream}/", body=sent, headers=headers, timeout=60)
        assert reply.status == 200, reply.data
        return json.loads(reply.data)

    def _described(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        every = (given.get("filter") or {}).get("imageStatus") == "ANY"
        listed = self._call("DescribeImages", repositoryName=given["repositoryName"])["imageDetails"]
        images = [self._detail(one) for one in listed]
        images = [one for one in images if every or one["imageStatus"] == "ACTIVE"]
        start = int(given.get("nextToken") or 0)
        more = {"nextToken": str(start + self.page)} if len(images) > start + self.page else {}
        return {"imageDetails": images[start : start + self.page], **more}

    def _detail(self, listed: Mapping[str, Any]) -> dict[str, Any]:
        it = self.repository.world.manifests[listed["imageDigest"]]
        found = {
            **{name: listed[name] for name in ("imageDigest", "imageManifestMediaType", "repositoryName")},
            "imageTags": it["tags"],
            "imageSizeInBytes": 1,
            "artifactMediaType": it["type"] or _CONFIG,
            "imagePushedAt": self._time(it["pushed"]),
            "imageStatus": "ARCHIVED" if it["archived"] else "ACTIVE",
            "subjectManifestDigest": it["subject"],
            "lastRecordedPullTime": self._time(it["pulled"]),
            "lastArchivedAt": self._time(it["archived_at"]),
        }
        return {name: value for name, value in found.items() if value not in (None, [])}

    def _time(self, seconds: int | None) -> float | None:
        if seconds is None:
            return None
        return (self.now - timedelta(seconds=self.repository.world.now - seconds)).timestamp()

    def _deleted(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What ECR deletes, one after the other: never a manifest that an index lists which is there."""
        failures, gone = [], []
        there = {one["imageDigest"] for one in self._call("DescribeImages", repositoryName=self.name)["imageDetails"]}
        for asked in given["imageIds"]:
            digest = asked["imageDigest"]
            code = self.refuse.get(digest) or self._bound(digest, there) or ("" if digest in there else "ImageNotFound")
            if code:
                failures.append({"imageId": asked, "failureCode": code, "failureReason": f"{code}, says the test"})
                continue
            self._call("BatchDeleteImage", repositoryName=self.name, imageIds=[asked])
            self.repository.client.delete(self.repository.place.with_digest(digest))
            there.discard(digest)
            gone.append(asked)
        return {"imageIds": gone, "failures": failures}

    def _bound(self, digest: str, there: set[str]) -> str:
        lists = self.repository.lists
        return "ImageReferencedByManifestList" if any(digest in lists.get(one, ()) for one in there) else ""


class Archive(Proxy):
    """ECR's registry: what is archived cannot be pulled, and answers as if it were not there."""

    def __init__(self, upstream: str, repository: Repository) -> None:
        super().__init__(upstream)
        self.repository = repository

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        digest = handler.path.rpartition("/")[2]
        if self.repository.world.manifests.get(digest, {}).get("archived"):
            return _json(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "Requested image not found"}]})
        return None


def _json(status: int, content: object) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, {"Content-Type": "application/x-amz-json-1.1", "Content-Length": str(len(body))}, body)
