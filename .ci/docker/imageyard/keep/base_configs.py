"""The configs of an image at its registry, one for each platform: what they leave to a Dockerfile."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from imageyard.catalogue.base_config import BaseConfig
from imageyard.errors import Transient
from imageyard.oci.manifests import Descriptor, Manifest, platform_of_config
from imageyard.registry import blobs

if TYPE_CHECKING:
    from imageyard.names import Reference
    from imageyard.registry.client import Client

__all__ = ["base_configs"]


def base_configs(registry: Client, image: Reference, platforms: Collection[str]) -> dict[str, BaseConfig]:
    """The configs of an image by platform; those platforms are left out that it does not have.

    An image without an index is pulled for whatever platform is asked for, and so its config counts for all
    (containerd, core/images/image.go, Manifest). Raises NotFound, Denied or Transient with the registry's words.
    """
    found = registry.get(image).parsed()
    if isinstance(found, Manifest):
        body = _body(registry, image, found)
        own = [platform_of_config(body)] if found.is_image else []
        return dict.fromkeys([*own, *platforms], _config(body, image))
    entries: dict[str, Descriptor] = {}
    for entry in found.manifests:
        if entry.attests is None:
            entries.setdefault(entry.platform or "", entry)
    configs: dict[str, BaseConfig] = {}
    for platform in platforms:
        if (taken := next((entries[one] for one in _taken_for(platform) if one in entries), None)) is not None:
            child = image.with_digest(taken.digest)
            manifest = registry.get(child).parsed()
            if isinstance(manifest, Manifest):
                configs[platform] = _config(_body(registry, child, manifest), child)
    return configs


def _taken_for(platform: str) -> tuple[str, ...]:
    """The platforms that are pulled for one, the best first: an older ARM will do (containerd/platforms 1.0, Only)."""
    versions = range(int(platform[-1]), 4, -1) if re.fullmatch(r"linux/arm/v[5-9]", platform) else ()
    return (platform, *(f"linux/arm/v{version}" for version in versions if not platform.endswith(f"v{version}")))


def _body(registry: Client, image: Reference, manifest: Manifest) -> bytes:
    return blobs.read(registry, image, manifest.config.digest, limit=blobs.CONFIG_LIMIT)


def _config(body: bytes, image: Reference) -> BaseConfig:
    try:
        content = json.loads(body).get("config") or {}
        return BaseConfig(_texts(content.get("Env")), _texts(content.get("OnBuild")))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Transient("not an image config that can be believed", doing=f"reading the config of {image}") from None


def _texts(value: object) -> tuple[str, ...]:
    """Raises TypeError where it is no list of texts."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError
    return tuple(value)
