"""Who may do what to which object, as moto judges it: every role against every action on every key, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

__all__ = ["ACTIONS", "matrix"]

_PART = {"PartNumber": 1, "UploadId": "none"}
_PARTS = {"Parts": [{"ETag": '"00"', "PartNumber": 1}]}
_TAGS = {"TagSet": [{"Key": "imageyard-state", "Value": "else"}]}

ACTIONS: Mapping[str, tuple[str, Callable[[Any, Any], object]]] = {
    "c": ("PutObject", lambda s3, at: s3.put_object(**at, Body=b"new")),
    "m": ("CreateMultipartUpload", lambda s3, at: s3.create_multipart_upload(**at)),
    "p": ("UploadPart", lambda s3, at: s3.upload_part(**at, **_PART, Body=b"new")),
    "f": (
        "CompleteMultipartUpload",
        lambda s3, at: s3.complete_multipart_upload(**at, UploadId="none", MultipartUpload=_PARTS),
    ),
    "a": ("AbortMultipartUpload", lambda s3, at: s3.abort_multipart_upload(**at, UploadId="none")),
    "l": ("ListParts", lambda s3, at: s3.list_parts(**at, UploadId="none")),
    "r": ("GetObject", lambda s3, at: s3.get_object(**at)),
    "h": ("HeadObject", lambda s3, at: s3.head_object(**at)),
    "v": ("GetObject of a version", lambda s3, at: s3.get_object(**at, VersionId="null")),
    "g": ("GetObjectAcl", lambda s3, at: s3.get_object_acl(**at)),
    "G": ("PutObjectAcl", lambda s3, at: s3.put_object_acl(**at, ACL="public-read")),
    "t": ("GetObjectTagging", lambda s3, at: s3.get_object_tagging(**at)),
    "T": ("PutObjectTagging", lambda s3, at: s3.put_object_tagging(**at, Tagging=_TAGS)),
    "R": ("RestoreObject", lambda s3, at: s3.restore_object(**at, RestoreRequest={"Days": 1})),
    "d": ("DeleteObject", lambda s3, at: s3.delete_object(**at)),
    "D": ("DeleteObject of a version", lambda s3, at: s3.delete_object(**at, VersionId="null")),
}
"""A letter, the name of the operation, and the call."""


def matrix(clients: Mapping[str, Any], keys: Sequence[tuple[str, str]], bucket: str) -> str:
    """The table: a line for each bucket and key, a column for each role with the letters of what it may do."""
    rows = [["", *clients]]
    for place, key in keys:
        at = {"Bucket": place, "Key": key}
        shown = key if place == bucket else f"{key} in {place}"
        rows.append([shown, *(_letters(client, at) for client in clients.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    legend = [f"{letter}  {name}" for letter, (name, _) in ACTIONS.items()]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*legend, ".  nothing at all", "", *table, ""])


def _letters(client: Any, at: Mapping[str, str]) -> str:
    return "".join(letter for letter, (_, call) in ACTIONS.items() if _allowed(client, at, call)) or "."


def _allowed(client: Any, at: Mapping[str, str], call: Callable[[Any, Any], object]) -> bool:
    """Whether moto let a call in; what comes of it then does not matter.

    That there is no such upload is a 404, and for parts a 500 of moto, both of which come after it judged.
    """
    try:
        call(client, at)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code not in ("SignatureDoesNotMatch", "InvalidAccessKeyId", "308"), (at, code)
        return code not in ("AccessDenied", "403")
    return True
