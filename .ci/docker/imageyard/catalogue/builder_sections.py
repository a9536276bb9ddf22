"""The sections of `builders:` in a catalogue: for each builder beside the local one its keys, and what they become.

A new builder's section is a RecordKind, a class of settings, a function that reads one as the other, and a line in
BUILDER_SECTIONS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from imageyard.catalogue import scalars
from imageyard.catalogue.forms import ABSOLUTE, DURATION, YES_NO, words
from imageyard.catalogue.kinds import Field, RecordKind, Scalar
from imageyard.catalogue.model import BuilderSettings
from imageyard.catalogue.nodes import Map, Node, error_at, place, plain
from imageyard.names import ARCHES, Arch

__all__ = [
    "BUILDER_SECTIONS",
    "BuilderSection",
    "DepotSettings",
    "RemoteByTrust",
    "RemoteSettings",
    "read_builders",
    "remote_settings",
]

Level: TypeAlias = Literal["trusted", "branch"]

_ADDRESS = Scalar("the address of a builder", scalars.builder_address, form={"type": "string"})
_PROJECT = Scalar("the id of a Depot project", scalars.pattern(r"[A-Za-z0-9]+", "the id of a Depot project"))

_TLS = RecordKind(
    "tls",
    {
        "ca": Field(ABSOLUTE, "certificate of the authority that signed the worker's", required=True),
        "cert": Field(ABSOLUTE, "our certificate"),
        "key": Field(ABSOLUTE, "the key of our certificate"),
        "servername": Field(
            Scalar("a host name", scalars.pattern(r"[A-Za-z0-9.-]+", "a host name")),
            "the name that the worker's certificate bears",
        ),
    },
)
_WORKERS: Mapping[str, Field] = {
    **{arch: Field(_ADDRESS, f"the worker that builds {arch}") for arch in ARCHES},
    "insecure": Field(YES_NO, "admits plain tcp"),
    "tls": Field(_TLS, "files for mutual TLS, by absolute path"),
    "connect_timeout": Field(DURATION, "how long to wait for a worker; 2h unless told"),
}
_LEVELS: tuple[Level, ...] = ("trusted", "branch")
_OF_A_LEVEL = RecordKind("the workers of one trust", _WORKERS)
_REMOTE = RecordKind(
    "builders.remote",
    {**_WORKERS, **{level: Field(_OF_A_LEVEL, f"the workers for what is published as {level}") for level in _LEVELS}},
)
_DEPOT = RecordKind(
    "builders.depot",
    {
        "trusted": Field(_PROJECT, "the project of trusted runs"),
        "branch": Field(_PROJECT, "the project of runs at branch trust"),
        "fallback": Field(words("buildx"), "what builds where Depot could not be reached"),
    },
)


@dataclass(frozen=True)
class RemoteSettings:
    """BuildKit workers by architecture; `tls` maps `ca`, `cert`, `key` and `servername` to their values."""

    addresses: Mapping[Arch, str]
    insecure: bool = False
    tls: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: float = 7200.0  # seconds, wall clock


@dataclass(frozen=True)
class RemoteByTrust:
    """The workers for what is published as trusted and as branch; None where the catalogue names none."""

    trusted: RemoteSettings | None = None
    branch: RemoteSettings | None = None


@dataclass(frozen=True)
class DepotSettings:
    """Depot projects by trust; `fallback` is `buildx` or None."""

    trusted: str | None = None
    branch: str | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class BuilderSection:
    """What a catalogue may say of a builder; `read` raises ConfigurationError for rules between keys."""

    kind: RecordKind
    about: str
    read: Callable[[Map], object]


def read_builders(node: Node | None) -> BuilderSettings:
    """Read the builders beside the local one. Raises ConfigurationError for rules between their keys."""
    if not isinstance(node, Map):
        return BuilderSettings()
    return BuilderSettings(
        {
            name: section.read(own)
            for name, section in BUILDER_SECTIONS.items()
            if isinstance(own := node.items.get(name), Map)
        }
    )


def remote_settings(builders: BuilderSettings, level: Level) -> RemoteSettings | None:
    """The remote workers for what is published at a level; None where the catalogue names none for it."""
    by_trust = builders.of(RemoteByTrust)
    return getattr(by_trust, level) if by_trust else builders.of(RemoteSettings)


def _remote(node: Map) -> RemoteSettings | RemoteByTrust:
    found = [level for level in _LEVELS if level in node.items]
    if not found:
        return _workers(node)
    if other := next((key for key in node.items if key not in _LEVELS), None):
        hint = f"write it in {' and in '.join(found)}: {found[0]}: {{{other}: ...}}"
        raise error_at(node, f"{other} stands beside workers by trust", key=other, hint=hint)
    return RemoteByTrust(**{level: _workers(cast(Map, node.items[level])) for level in found})


def _workers(node: Map) -> RemoteSettings:
    values = plain(node)
    addresses = {arch: values[arch] for arch in ARCHES if arch in values}
    if not values:  # settings alone are for a worker that each call names
        raise error_at(node, f"{place(node).path} says nothing", hint="amd64: tcp://HOST:PORT")
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
    values = plain(node)
    if not {"trusted", "branch"} & set(values):
        raise error_at(node, "builders.depot has no project", hint="trusted: PROJECT")
    return DepotSettings(**values)


BUILDER_SECTIONS: Mapping[str, BuilderSection] = {
    "remote": BuilderSection(_REMOTE, "BuildKit workers by architecture, for all or by trust", _remote),
    "depot": BuilderSection(_DEPOT, "Depot's projects by trust", _depot),
}
