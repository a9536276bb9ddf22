"""Put a root file system into the stack's registry, as an image of one layer whose digest its bytes decide."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin

from imageyard.errors import EnvironmentLacks
from imageyard.names import Arch, Digest

if TYPE_CHECKING:
    from urllib3 import PoolManager

__all__ = ["push_root"]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"  # a plain tar is allowed too, and `crane validate` refuses it


def push_root(registry: str, repository: str, tag: str, root: Path, arch: Arch, created: str) -> Digest:
    """Push the tar `root` to `http://REGISTRY/REPOSITORY:TAG` and return the manifest's digest.

    `created` is an RFC 3339 time. The image has a PATH and `bash` as its command, as Docker's own Debian images do.
    OCI image-spec 1.1 (manifest, config), distribution-spec 1.1 ("Pushing blobs", "Pushing manifests").
    Raises EnvironmentLacks where the registry refuses.
    """
    import urllib3

    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=120))
    base = f"http://{registry}/v2/{repository}"
    with root.open("rb") as tar, tempfile.TemporaryFile(dir=root.parent) as packed:
        tar_digest = f"sha256:{_sha256(tar)}"
        tar.seek(0)
        # Neither name nor time go into the header: they would make another digest of the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=3, fileobj=packed, mtime=0) as layer_file:
            shutil.copyfileobj(tar, layer_file, 1 << 20)
        packed.seek(0)
        layer = f"sha256:{_sha256(packed)}"
        size = packed.tell()
        packed.seek(0)
        _push_blob(http, base, layer, packed, size)
    config = _json(
        {
            "architecture": arch,
            "config": {
                "Cmd": ["bash"],
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "created": created,
            "os": "linux",
            "rootfs": {"diff_ids": [tar_digest], "type": "layers"},
            **({"variant": "v8"} if arch == "arm64" else {}),
        }
    )
    config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    _push_blob(http, base, config_digest, config, len(config))
    manifest = _json(
        {
            "config": {"digest": config_digest, "mediaType": _CONFIG, "size": len(config)},
            "layers": [{"digest": layer, "mediaType": _LAYER, "size": size}],
            "mediaType": _MANIFEST,
            "schemaVersion": 2,
        }
    )
    _ask(http, "PUT", f"{base}/manifests/{tag}", manifest, {"Content-Type": _MANIFEST}, 201)
    return Digest(f"sha256:{hashlib.sha256(manifest).hexdigest()}")


def _push_blob(http: PoolManager, base: str, digest: str, body: bytes | IO[bytes], size: int) -> None:
    if http.request("HEAD", f"{base}/blobs/{digest}").status == 200:
        return
    where = _ask(http, "POST", f"{base}/blobs/uploads/", b"", {}, 202)
    url = urljoin(base, where)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    _ask(http, "PUT", f"{url}{'&' if '?' in url else '?'}digest={digest}", body, headers, 201)


def _ask(http: PoolManager, method: str, url: str, body: bytes | IO[bytes], headers: dict[str, str], want: int) -> str:
    answer = http.request(method, url, body=body, headers=headers)
    if answer.status != want:
        raise EnvironmentLacks(
            f"the local registry answered {answer.status} to {method}",
            doing=f"pushing a base image: {url.partition('?')[0]}",
            detail=answer.data.decode(errors="replace").splitlines()[:5],
            hint="nox -s local_stack -- status",
        )
    return str(answer.headers.get("Location", ""))


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
