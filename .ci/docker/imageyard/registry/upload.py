"""Putting blobs into a registry: mounted where another repository has them, else uploaded whole or in chunks."""

from __future__ import annotations

import io
import re
from typing import IO
from urllib.parse import urljoin

from imageyard.errors import NotFound, Transient
from imageyard.http.transport import Reply
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import digest_of
from imageyard.registry.auth import Scopes, scope
from imageyard.registry.blobs import has
from imageyard.registry.client import Client

__all__ = ["push", "push_bytes"]

CHUNK = 16 * 1024 * 1024
"""Bytes that are held in memory, and sent again where a connection breaks."""
_MODEST = 4 * 1024 * 1024
"""Bytes of the largest piece that GHCR takes (seen in 2026: it answers 416 to more); ECR wants pieces of 5 MiB."""
_STALLS = 5
_SESSIONS = 3
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")


def push_bytes(client: Client, repository: Reference, content: bytes) -> Digest:
    """Put a small blob; returns its digest. Raises as `push` does."""
    digest = digest_of(content)
    push(client, repository, io.BytesIO(content), digest, len(content))
    return digest


def push(
    client: Client,
    repository: Reference,
    source: IO[bytes],
    digest: Digest,
    size: int,
    *,
    mount_from: str | None = None,
    chunk: int = CHUNK,
    absent: bool = False,
) -> None:
    """Put a blob of `size` bytes, read from the seekable `source`, where the repository does not have it yet.

    `mount_from`: a repository at the same registry that may have it; one that cannot be mounted is uploaded.
    `absent`: it is known already that the blob is not there. A blob above `chunk` bytes goes in pieces, and after a
    break the registry is asked how much it has (OCI distribution-spec 1.1, "Pushing a blob in chunks").
    Raises NotFound, Denied, PolicyRefused or Transient.
    """
    if not absent and has(client, repository, digest):
        return
    doing = f"writing blob {digest} to {repository.name}"
    begun = _begin(client, repository, digest, mount_from)
    if begun is None:
        return
    start, smallest = begun
    step = max(chunk, smallest)
    if size > step:
        start = _in_chunks(client, repository, source, size, digest, start, step, doing)
        reply = _finish(client, repository, start, digest, b"")
    else:
        source.seek(0)
        reply = _finish(client, repository, start, digest, source.read(size))
    if reply.status in (200, 201, 204):
        return
    if has(client, repository, digest):  # the answer to the first try was lost, and the second found nothing to do
        return
    raise client.failure(reply, repository, doing, what=f"blob {digest}")


def _begin(client: Client, repository: Reference, digest: Digest, mount_from: str | None) -> tuple[str, int] | None:
    """Open an upload: its URL, and the smallest chunk it takes. None where the blob was mounted instead."""
    path = "blobs/uploads/"
    also: Scopes = ()
    if mount_from and mount_from != repository.repository:
        path += f"?mount={digest}&from={mount_from}"
        also = (scope(mount_from, "pull"),)
    reply = client.call("POST", repository, path, "pull", "push", also=also, headers={"Content-Length": "0"})
    if also and reply.status not in (201, 202):  # where mounting is not understood, or not allowed
        return _begin(client, repository, digest, None)
    if also and reply.status == 201:
        return None
    if reply.status != 202:
        raise client.failure(reply, repository, f"writing blob {digest} to {repository.name}")
    smallest = reply.headers.get("oci-chunk-min-length", "")
    return _location(reply, repository), int(smallest[:12]) if smallest.isascii() and smallest.isdigit() else 0


def _in_chunks(
    client: Client,
    repository: Reference,
    source: IO[bytes],
    size: int,
    digest: Digest,
    location: str,
    step: int,
    doing: str,
) -> str:
    """As `_chunks`, from the beginning in a new upload where the registry lost the thread of the old one."""
    for _ in range(_SESSIONS - 1):
        try:
            return _chunks(client, repository, source, size, location, step, doing)
        except NotFound:
            begun = _begin(client, repository, digest, None)
            assert begun is not None
            location = begun[0]
    return _chunks(client, repository, source, size, location, step, doing)


def _chunks(
    client: Client, repository: Reference, source: IO[bytes], size: int, location: str, step: int, doing: str
) -> str:
    """Send everything in pieces; returns the URL that ends the upload.

    What is answered with 202 is there: ECR's Range stays at the first piece (aws/containers-roadmap 2831). It is
    looked at where a piece may have been lost, and where it then denies what was accepted, all is sent anew.
    """
    at, stalls = 0, 0
    while at < size:
        source.seek(at)
        piece = source.read(min(step, client.largest_piece.get(repository.registry, step), size - at))
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{at}-{at + len(piece) - 1}"}
        problem: Exception | None = None
        reply = None
        try:
            reply = client.call("PATCH", repository, location, "pull", "push", headers=headers, body=piece, again=False)
        except Transient as error:
            problem = error
        if reply is not None and reply.status == 202:
            location = _location(reply, repository)
            at, stalls = at + len(piece), 0
            continue
        refused = reply is not None and reply.status in (413, 416)
        if refused and len(piece) > _MODEST:
            client.largest_piece[repository.registry] = _MODEST
        elif reply is not None and (reply.status == 404 or (refused and stalls + 1 >= _STALLS)):
            raise _lost(repository, doing)
        elif reply is not None and not refused and reply.status < 429:
            raise client.failure(reply, repository, doing)
        stalls += 1
        if stalls >= _STALLS:
            raise problem or client.failure(reply or _nothing(location), repository, doing)
        location, kept = _status(client, repository, location, doing)
        if not at <= kept <= size:
            raise _lost(repository, doing)
        at = kept
    return location


def _status(client: Client, repository: Reference, location: str, doing: str) -> tuple[str, int]:
    """Where the upload goes on, and how many bytes the registry says that it has."""
    status = client.call("GET", repository, location, "pull", "push")
    if status.status == 404:
        raise _lost(repository, doing)
    if status.status != 204:
        raise client.failure(status, repository, doing)
    return _location(status, repository) if "location" in status.headers else location, _kept(status)


def _kept(reply: Reply) -> int:
    """How many bytes the registry has, by its Range header.

    `0-0` is what distribution 2.8 says of an empty upload: it is taken as none.
    """
    match = _RANGE.fullmatch(reply.headers.get("range", "").strip())
    return int(match[1]) + 1 if match and int(match[1]) else 0


def _finish(client: Client, repository: Reference, location: str, digest: Digest, body: bytes) -> Reply:
    joint = "&" if "?" in location else "?"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
    return client.call(
        "PUT", repository, f"{location}{joint}digest={digest}", "pull", "push", headers=headers, body=body
    )


def _location(reply: Reply, repository: Reference) -> str:
    location = reply.headers.get("location")
    if not location:
        raise Transient(f"{repository.registry} does not say where to upload to")
    return urljoin(reply.url, location)


def _lost(repository: Reference, doing: str) -> NotFound:
    """An upload that ended, or whose next location never arrived: distribution 2.8 then answers 404."""
    return NotFound(f"{repository.registry} does not know the upload any more", doing=doing)


def _nothing(location: str) -> Reply:
    return Reply(503, {}, b"", location)
