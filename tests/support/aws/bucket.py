"""S3 by moto, behind a gate that compares checksums: the real boto3 in front.

What moto 5.2 does by itself (its `s3/responses.py`, read and tried): PutObject and CompleteMultipartUpload honour
`If-None-Match: *` (412 PreconditionFailed); the checksum of an upload in parts is COMPOSITE, as at S3. What it does not
do: it keeps the SHA-256 that a client names, and never compares it with the bytes (`_get_checksum`); it compares the
parts of a CompleteMultipartUpload by ETag alone, the MD5 of what arrived; ListParts has none. The gate answers
400 BadDigest to a body of
another SHA-256 than its header says, as S3 does.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
from botocore.config import Config
from imageyard.aws import AwsService, Keys
from imageyard.bucket.objects import Bucket
from imageyard.http.backoff import Clock
from moto.server import ThreadedMotoServer
from support.registry.faults import Answer, Proxy, running

__all__ = ["KEYS", "StrictS3", "bucket_of", "s3_served"]

KEYS = Keys("test", "test-secret", "")
REGION = "us-east-1"


class StrictS3(Proxy):
    """Moto's S3, checksums compared. `buckets` are those that tests made."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.buckets: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}"

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        told = handler.headers.get("x-amz-checksum-sha256")
        if told and handler.command == "PUT" and base64.b64encode(hashlib.sha256(body).digest()).decode() != told:
            text = b"<Error><Code>BadDigest</Code><Message>The SHA256 you specified did not match</Message></Error>"
            return Answer(400, {"Content-Type": "application/xml", "Content-Length": str(len(text))}, text)
        return None

    def client(self) -> Any:
        """boto3, for tests that look or break something."""
        return boto3.session.Session(KEYS.id, KEYS.secret, region_name=REGION).client(
            "s3", endpoint_url=f"http://{self.upstream}", config=Config(s3={"addressing_style": "path"})
        )

    def create(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)
        self.buckets.append(name)

    def objects(self, name: str) -> dict[str, bytes]:
        """Every object of a bucket."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


@contextmanager
def s3_served() -> Iterator[StrictS3]:
    """S3 on free ports until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        with running(StrictS3(f"{host}:{port}")) as gate:
            assert isinstance(gate, StrictS3)
            yield gate
    finally:
        moto.stop()


def bucket_of(s3: Proxy, name: str, prefix: str = "") -> Bucket:
    """A bucket as the product reaches it, whose waits take no time."""
    service = AwsService("s3", REGION, caller=KEYS, endpoint=f"http://{s3.host}")
    return Bucket(service, name, prefix, Clock(sleep=lambda seconds: None))
