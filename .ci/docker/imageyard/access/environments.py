"""The environments of the CI system that trusted jobs are in: it lets no other branch into them."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.builder_sections import DepotSettings
from imageyard.catalogue.model import Catalogue
from imageyard.http.connections import is_loopback
from imageyard.names import parse_reference
from imageyard.plan.trust import Decision
from imageyard.registry.vendors.base import TokenLogin
from imageyard.registry.vendors.table import AWS_LOGINS, TOKEN_LOGINS

__all__ = ["MIRROR", "TRUSTED", "environment", "takes_token", "trusted_environments"]

MIRROR = "docker-mirror"
"""The environment that has the token of GHCR: `docker-builds.yml` mirrors in it."""

TRUSTED = "docker-trusted"
"""The environment whose jobs may take the trusted role at AWS; it has the token of the trusted project at Depot."""


def environment(catalogue: Catalogue, decision: Decision) -> str:
    """The environment of the jobs that write what is trusted; empty where they need none.

    What branches write is not GHCR's: there is no token for it that could not write what is trusted too. A role that
    is named for all runs alike is not kept from branches, by an environment or otherwise. A trusted project at Depot
    is kept from branches by its token, which is a secret of the environment.
    """
    return _of_trusted_rows(catalogue) if decision.publishes_to("trusted") else ""


def trusted_environments(catalogue: Catalogue) -> tuple[str, ...]:
    """The environments of all jobs that take the trusted role."""
    found = (_of_trusted_rows(catalogue), MIRROR if catalogue.mirrors else "")
    return tuple(dict.fromkeys(filter(None, found)))


def takes_token(way: TokenLogin, catalogue: Catalogue, host: str) -> bool:
    """Whether a token goes to a host of ours: to the vendor, or to a registry of this machine that stands for it.

    Beside a section for AWS, a registry of this machine stands for that vendor's.
    """
    return host == way.host or (is_loopback(host) and not AWS_LOGINS.keys() & catalogue.settings.keys())


def _of_trusted_rows(catalogue: Catalogue) -> str:
    registry, cache = catalogue.registry, catalogue.settings.get("cache")
    names = [registry.trusted if registry else None, cache.get("trusted") if isinstance(cache, Mapping) else None]
    hosts = [parse_reference(str(name)).registry for name in names if name]
    if any(takes_token(way, catalogue, host) for way in TOKEN_LOGINS.values() for host in hosts):
        return MIRROR
    sections = (catalogue.settings.get(section) for section in AWS_LOGINS)
    depot = catalogue.builders.of(DepotSettings)
    by_trust = any(isinstance(found, Mapping) and isinstance(found.get("role"), Mapping) for found in sections)
    return TRUSTED if by_trust or (depot and depot.trusted) else ""
