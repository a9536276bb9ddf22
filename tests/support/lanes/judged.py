"""S3 by moto behind a judge of the bucket's policy, whose conditions moto does not evaluate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.aws.policy import allowed
from support.registry.faults import Answer, Proxy

__all__ = ["JudgedS3"]

_EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
_HEADERS = (
    "if-none-match",
    "x-amz-acl",
    "x-amz-storage-class",
    "x-amz-server-side-encryption-customer-algorithm",
)
"""The headers of a request that are keys of conditions, with `s3:` before them."""
_REFUSED = b"<Error><Code>AccessDenied</Code><Message>the policy of the bucket denies it</Message></Error>"


class JudgedS3(Proxy):
    """Answers 403 where the policy denies a request, and hands on all others, of which moto judges the role's policy.

    The keys of conditions are those of the Amazon S3 Service Authorization Reference: a header that was sent, and
    `s3:ObjectCreationOperation`, which is false for CreateMultipartUpload, UploadPart and UploadPartCopy.
    """

    def __init__(self, moto: str, policy: Mapping[str, Any], arns: Mapping[str, str]) -> None:
        """`moto` is `HOST:PORT`; `arns` are the roles of sessions, by access key id."""
        super().__init__(moto)
        self.policy = policy
        self.arns = arns

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        where = urlsplit(handler.path)
        query = parse_qs(where.query, keep_blank_values=True)
        action, creates = _action(handler.command, query)
        signer = re.search(r"Credential=([^/]+)/", handler.headers.get("Authorization") or "")
        context = {
            "aws:SecureTransport": "true",
            "aws:PrincipalArn": self.arns[signer[1] if signer else ""],
            "s3:ObjectCreationOperation": str(creates).lower(),
        }
        for header in _HEADERS:
            if (value := handler.headers.get(header)) is not None:
                context[f"s3:{header}"] = value
        if allowed([_EVERYTHING, self.policy], action, f"arn:aws:s3:::{unquote(where.path[1:])}", context):
            return None
        return Answer(403, {"Content-Type": "application/xml", "Content-Length": str(len(_REFUSED))}, _REFUSED)


def _action(command: str, query: Mapping[str, Any]) -> tuple[str, bool]:
    """The action that a request on an object is, and whether it creates one."""
    match command:
        case "PUT" if "tagging" in query:
            return "s3:PutObjectTagging", False
        case "PUT" if "acl" in query:
            return "s3:PutObjectAcl", False
        case "PUT" | "POST":
            return "s3:PutObject", "uploads" not in query and "partNumber" not in query
        case "DELETE" if "uploadId" in query:
            return "s3:AbortMultipartUpload", False
        case "DELETE":
            return "s3:DeleteObjectVersion" if "versionId" in query else "s3:DeleteObject", False
        case _:
            return "s3:GetObject", False
