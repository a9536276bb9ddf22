"""The keys at the top of a catalogue, as the model has them, with the rules between keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imageyard.catalogue.model import BuilderSettings, DepotSettings, Registry, RemoteSettings
from imageyard.catalogue.nodes import Map, Node, Text, error_at
from imageyard.names import ARCHES

__all__ = ["SETTINGS", "builders", "registry", "settings", "value"]

SETTINGS = ("cache", "ecr", "ghcr", "retention", "backup", "lanes")
"""Keys that are decoded and handed on as plain values, for the floors that use them."""


def value(node: Node | None, default: Any = None) -> Any:
    """A checked node as plain values: parsed scalars, dicts, tuples."""
    if node is None:
        return default
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Map):
        return {key: value(item) for key, item in node.items.items()}
    return tuple(value(item) for item in node.items)


def registry(node: Node | None) -> Registry | None:
    """One repository for both levels of trust, or one each."""
    if node is None:
        return None
    if isinstance(node, Text):
        return Registry(node.value, node.value)
    return Registry(**value(node))


def builders(node: Node | None) -> BuilderSettings:
    """The builders beside the local one. Raises ConfigurationError for rules between their keys."""
    if not isinstance(node, Map):
        return BuilderSettings()
    remote, depot = node.items.get("remote"), node.items.get("depot")
    return BuilderSettings(
        remote=_remote(remote) if isinstance(remote, Map) else None,
        depot=_depot(depot) if isinstance(depot, Map) else None,
    )


def _remote(node: Map) -> RemoteSettings:
    values = value(node)
    addresses = {arch: values[arch] for arch in ARCHES if arch in values}
    if not values:  # settings alone are for a worker that each call names
        raise error_at(node, "builders.remote says nothing", hint="amd64: tcp://HOST:PORT")
    insecure, tls = values.get("insecure", False), values.get("tls", {})
    if insecure and tls:
        raise error_at(node, "insecure: yes and tls contradict each other", key="insecure", hint="remove one of them")
    if ("cert" in tls) != ("key" in tls):
        raise error_at(node.items["tls"], "cert and key go together", hint="name both, or neither")
    for arch, address in addresses.items():
        if address.startswith("tcp://") and not insecure and not tls:
            hint = "name tls files, or say insecure: yes where the network is trusted"
            raise error_at(node, f"{address} is plain tcp", key=arch, hint=hint)
    if "connect_timeout" in values:
        return RemoteSettings(addresses, insecure, tls, values["connect_timeout"])
    return RemoteSettings(addresses, insecure, tls)


def _depot(node: Map) -> DepotSettings:
    values = value(node)
    if not {"trusted", "branch"} & set(values):
        raise error_at(node, "builders.depot has no project", hint="trusted: PROJECT")
    return DepotSettings(**values)


def settings(root: Map) -> Mapping[str, object]:
    """The keys of SETTINGS that are there. Raises ConfigurationError for rules between their keys."""
    found = {key: value(root.items[key]) for key in SETTINGS if key in root.items}
    ecr = root.items.get("ecr")
    if isinstance(ecr, Map):
        # STS AssumeRoleWithWebIdentity: DurationSeconds is 900 to 43200.
        duration = value(ecr.items.get("duration"), 3600.0)
        if not 900 <= duration <= 43200:
            raise error_at(ecr.items["duration"], "credentials last from 15m to 12h")
        if "role" not in ecr.items and not value(ecr.items.get("instance_profile"), False):
            raise error_at(ecr, "ecr names no role", hint="role: ARN, or instance_profile: yes")
    return found
