"""Who builds: what was typed, else REMOTE_BUILDKIT, else the catalogue's Depot in CI, else the engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard.catalogue.builder_sections import DepotSettings, RemoteByTrust, RemoteSettings, remote_settings
from imageyard.catalogue.scalars import FieldFault, builder_address
from imageyard.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.catalogue.model import BuilderSettings, Catalogue
    from imageyard.names import Arch
    from imageyard.plan.trust import Repository
    from imageyard.project.options import BuilderName, BuildOptions

__all__ = [
    "VARIABLE",
    "Choice",
    "choose",
    "chosen",
    "depot_project",
    "from_environment",
    "remote",
]

VARIABLE = "REMOTE_BUILDKIT"
_OFF = ("", "0", "false")
_ON = ("1", "true")


@dataclass(frozen=True)
class Choice:
    """Who builds, and because of what; `address` is one worker's for all architectures, None the catalogue's.

    `level` says which of the catalogue's remote workers build, where it has others for what is published as trusted.
    """

    builder: BuilderName
    why: str
    address: str | None = None
    level: Repository = "branch"


def from_environment(value: str | None) -> bool | str:
    """What REMOTE_BUILDKIT says: False for off, True for the catalogue's addresses, else the address in it.

    Raises ConfigurationError for a word that is neither a switch nor an address.
    """
    word = (value or "").strip()
    if word.lower() in _OFF:
        return False
    return True if word.lower() in _ON else _address(word, VARIABLE)


def choose(
    asked: BuilderName | None, address: str | None, variable: str | None, builders: BuilderSettings, *, in_ci: bool
) -> Choice:
    """Who builds; `variable` is REMOTE_BUILDKIT's value. An `--address` alone asks for that worker.

    Raises ConfigurationError for an address that is none, and for one beside a builder that has no use for it.
    """
    if address is not None:
        if asked not in (None, "remote"):
            raise ConfigurationError(
                f"--address names a remote worker, and --builder is {asked}", hint="leave out one of the two"
            )
        return Choice("remote", "--address", _address(address, "--address"))
    if asked not in (None, "remote"):
        return Choice(asked, f"--builder {asked}")
    told = from_environment(variable)
    if asked == "remote":
        return Choice("remote", "--builder remote", told if isinstance(told, str) else None)
    if told:
        return Choice("remote", f"{VARIABLE}={variable}", told if isinstance(told, str) else None)
    if in_ci and builders.of(DepotSettings) is not None:
        return Choice("depot", "builders.depot in CI")
    return Choice("local", "the default")


def chosen(catalogue: Catalogue, options: BuildOptions, environ: Mapping[str, str] = os.environ) -> Choice:
    """Who builds the rows of a call; Depot by itself only in a run that publishes where it has a project.

    A run that builds for the checks alone builds where they run, unless something else was typed: what its surroundings
    have for all runs would only be refused. Raises as `choose` does.
    """
    builders = catalogue.builders
    variable = None if options.decision.builds_for_checks_only else environ.get(VARIABLE)
    in_ci = depot_project(builders, options.decision.push) is not None
    found = choose(options.builder, options.address, variable, builders, in_ci=in_ci)
    return replace(found, level=options.at or options.decision.push or "branch")


def depot_project(builders: BuilderSettings, at: Repository | None) -> str | None:
    """The project at Depot for what is published there, None if nothing is.

    Two projects keep the layers of honest runs apart. Which jobs may use a project is Depot's to say, and it asks for
    a repository and no ref: docs/security.md has what keeps a branch from the trusted project.
    """
    depot = builders.of(DepotSettings)
    return None if depot is None or at is None else depot.trusted if at == "trusted" else depot.branch


def remote(choice: Choice, catalogue: Catalogue, arch: Arch) -> tuple[str, RemoteSettings]:
    """The address of the worker for an architecture, and how the catalogue has remote workers spoken to.

    Raises ConfigurationError where nobody named an address.
    """
    known = remote_settings(catalogue.builders, choice.level) or RemoteSettings({})
    address = choice.address or known.addresses.get(arch)
    if address is None:
        by_trust = catalogue.builders.of(RemoteByTrust) is not None
        typed = f"{{{arch}: tcp://HOST:PORT}}"
        raise ConfigurationError(
            f"builders.remote{f'.{choice.level}' if by_trust else ''} has no address for {arch}",
            doing=f"choosing the builder ({choice.why})",
            at=catalogue.file,
            hint=(
                f"add to the catalogue: builders: {{remote: {f'{{{choice.level}: {typed}}}' if by_trust else typed}}}",
                f"or for this call: --address tcp://HOST:PORT    (or {VARIABLE}=tcp://HOST:PORT)",
            ),
        )
    return address, known


def _address(text: str, name: str) -> str:
    try:
        return builder_address(text)
    except FieldFault as fault:
        switches = f", or as a switch: {', '.join((*_OFF[1:], *_ON))}" if name == VARIABLE else ""
        raise ConfigurationError(f"{name}: {fault.headline}", hint=f"{fault.hint}{switches}") from None
