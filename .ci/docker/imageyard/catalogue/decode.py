"""The keys at the top of a catalogue, as the model has them, with the rules between keys."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.model import Registry
from imageyard.catalogue.nodes import Map, Node, Text, error_at, plain

__all__ = ["SETTINGS", "registry", "settings"]

SETTINGS = ("cache", "ecr", "ghcr", "retention", "backup", "page")
"""Keys that are decoded and handed on as plain values, for the floors that use them."""


def registry(node: Node | None) -> Registry | None:
    """One repository for both levels of trust, or one each."""
    if node is None:
        return None
    if isinstance(node, Text):
        return Registry(node.value, node.value)
    return Registry(**plain(node))


def settings(root: Map) -> Mapping[str, object]:
    """The keys of SETTINGS that are there. Raises ConfigurationError for rules between their keys."""
    found = {key: plain(root.items[key]) for key in SETTINGS if key in root.items}
    ecr = root.items.get("ecr")
    if isinstance(ecr, Map):
        # STS AssumeRoleWithWebIdentity: DurationSeconds is 900 to 43200.
        duration = plain(ecr.items.get("duration"), 3600.0)
        if not 900 <= duration <= 43200:
            raise error_at(ecr.items["duration"], "credentials last from 15m to 12h")
        if "role" not in ecr.items and not plain(ecr.items.get("instance_profile"), False):
            raise error_at(ecr, "ecr names no role", hint="role: ARN, or instance_profile: yes")
    return found
