"""Put a root file system into the stack's registry, as an image of one layer whose digest its bytes decide."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import IO, cast

from imageyard.errors import Denied, EnvironmentLacks, Transient
from imageyard.names import Arch, Digest, Reference, platform_of
from imageyard.oci.layout import LayoutStore
from imageyard.oci.manifests import Descriptor, digest_of
from imageyard.oci.packing import compress, digest_of_file
from imageyard.oci.raw import Raw
from imageyard.oci.store import copy
from imageyard.registry.client import Client
from imageyard.registry.store import RegistryStore
from imageyard.stack.bases_lock import ENVIRONMENT

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
    place = RegistryStore(Client(credentials=lambda host: None), Reference(registry, repository))
    image = LayoutStore(root.parent / f"{root.name}.layout")
    try:
        with root.open("rb") as tar, tempfile.TemporaryFile(dir=root.parent) as packed:
            tar_digest = digest_of_file(tar)
            tar.seek(0)
            compress(tar, cast("IO[bytes]", packed), level=3)
            layer = _put(image, cast("IO[bytes]", packed), _LAYER)
        architecture, _, variant = platform_of(arch).removeprefix("linux/").partition("/")
        variant = "v8" if arch == "arm64" else variant
        config = {
            "architecture": architecture,
            "config": {
                "Cmd": ["bash"],
                "Env": list(ENVIRONMENT),
            },
            "created": created,
            "os": "linux",
            "rootfs": {"diff_ids": [tar_digest], "type": "layers"},
            **({"variant": variant} if variant else {}),
        }
        manifest = {
            "config": _entry(_put(image, io.BytesIO(_json(config)), _CONFIG)),
            "layers": [_entry(layer)],
            "mediaType": _MANIFEST,
            "schemaVersion": 2,
        }
        body = _json(manifest)
        image.put_manifest(Raw(_MANIFEST, digest_of(body), body))
        return copy(image, place, digest_of(body), tag=tag).digest
    except (Denied, Transient) as error:
        raise EnvironmentLacks(
            error.headline, doing=f"pushing a base image to {place.name}", hint="nox -s local_stack -- status"
        ) from None
    finally:
        shutil.rmtree(image.folder, ignore_errors=True)


def _put(image: LayoutStore, content: IO[bytes], media_type: str) -> Descriptor:
    content.seek(0)
    digest = digest_of_file(content)
    blob = Descriptor(media_type, digest, content.tell())
    content.seek(0)
    image.put_blob(blob, content, image)
    return blob


def _entry(blob: Descriptor) -> dict[str, object]:
    return {"digest": blob.digest, "mediaType": blob.media_type, "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
