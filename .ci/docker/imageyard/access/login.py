"""Log in where a run may write, and nowhere else: by the job's role at AWS, or by token, in a private Docker folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from imageyard import aws
from imageyard.access import aws_role
from imageyard.access.environments import takes_token
from imageyard.access.step_environment import Handover, private_folder
from imageyard.catalogue.model import Catalogue
from imageyard.ci.providers.base import Provider
from imageyard.console import Story
from imageyard.errors import Denied, EnvironmentLacks, ImageyardError
from imageyard.http.connections import is_loopback
from imageyard.names import Reference, parse_reference
from imageyard.plan.trust import Decision, Repository
from imageyard.process import redact
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential, config_folder
from imageyard.registry.private_config import PrivateConfig
from imageyard.registry.vendors.base import AwsLogin, TokenLogin
from imageyard.registry.vendors.table import AWS_LOGINS, TOKEN_LOGINS

__all__ = ["log_in"]


def log_in(
    catalogue: Catalogue,
    reporter: Story,
    registry: Client,
    provider: Provider,
    decision: Decision,
    environ: Mapping[str, str],
    *,
    with_ghcr: bool = False,
    as_branch: bool = False,
    as_role: str | None = None,
) -> Path:
    """Make the private Docker folder, log in where `decision` writes, and hand the folder to the steps that follow.

    A job that may not log in somewhere is told why, in a sentence, and goes on. `with_ghcr`: a person asks for GHCR
    too; in CI it is the decision that asks. `as_branch`: the job takes the role of branches, whatever its ref, and
    makes no repository: it reads what is trusted, and need not write it. `as_role`: the job takes this role and makes
    no repository; it logs in at all repositories of the catalogue, and its later steps take the role for the bucket
    too. Where it is empty no role is taken. Returns the folder. Raises Denied where
    credentials that are there are refused, Transient where nobody answers, EnvironmentLacks for what is asked for and
    not there, ConfigurationError for what cannot work.
    """
    known = (catalogue, reporter, registry, provider, decision, environ)
    desk = _Desk(*known, with_ghcr=with_ghcr, as_branch=as_branch, as_role=as_role)
    try:
        if not decision.may_log_in:
            desk.story.step(f"No login: {decision.reason}; what is public can be read")
        else:
            for section, with_aws in AWS_LOGINS.items():
                desk.with_aws(section, with_aws)
            for section, by_token in TOKEN_LOGINS.items():
                desk.by_token(section, by_token)
            desk.say_the_rest()
    except ImageyardError as error:
        raise desk.without_secrets(error) from None
    finally:
        desk.config.write()
    return desk.config.folder


class _Desk:
    """One login: what is known of the run, the folder that it fills, and what must not be shown."""

    def __init__(
        self,
        catalogue: Catalogue,
        reporter: Story,
        registry: Client,
        provider: Provider,
        decision: Decision,
        environ: Mapping[str, str],
        *,
        with_ghcr: bool,
        as_branch: bool,
        as_role: str | None,
    ) -> None:
        self.story = reporter
        self.registry = registry
        self.provider = provider
        self.catalogue = catalogue
        self.decision = decision
        self.environ = environ
        self.local = decision.is_local
        self.asked = with_ghcr and self.local
        self.role: Repository = "branch" if as_branch else decision.logs_in_as
        self.own_role = as_role
        self.creates = None if as_branch or as_role is not None else decision.creates_repositories_of
        self.mirrors = decision.mirror or as_role is not None
        # what the machine's owner may do elsewhere is not for a fork either
        self.config = PrivateConfig(private_folder(environ, provider), config_folder(), credentials=decision.may_log_in)
        self.handover = Handover(provider, self.config)
        if as_role is not None and provider.has_identity():
            self.handover.aws_role(as_role)
        if catalogue.lane:
            self.handover.lane(catalogue.lane)
        self._secrets: list[str] = []
        self._dealt_with: set[str] = set()

    def with_aws(self, section: str, way: AwsLogin) -> None:
        """Log in with AWS credentials where the catalogue says how, and make the repositories that are missing."""
        settings: Any = self.catalogue.settings.get(section)
        if self.catalogue.lane and not any(way.region_of(place.registry) for place in self._own()):
            return  # the lane's role may log in where its repositories are, and nowhere else
        if settings is None:
            for host in sorted({place.registry for place in self._places() if way.region_of(place.registry)}):
                self.story.warn(f"no login at {host}: the catalogue has no `{section}`, which says by which role")
                self._dealt_with.add(host)
            return
        caller, who = self._caller(way.title, settings)
        if caller is None:
            return
        logins = {settings["region"]: way.log_in(settings["region"], caller)}
        own = logins[settings["region"]]
        hosts = {own.host: own}  # the host that the vendor names, and those of other accounts and regions
        for host in dict.fromkeys(place.registry for place in self._places()):
            if region := way.region_of(host):
                if region not in logins:
                    logins[region] = way.log_in(region, caller)
                hosts.setdefault(host, logins[region])
        for host, login in hosts.items():
            self._keep(host, login.credential, who, login.expires)
        if isinstance(caller, aws.Keys):
            self.handover.aws_keys(caller)
        if settings.get("create") and self.creates:
            self._make_repositories(way, self.creates, own.host, settings["region"], caller)

    def _caller(self, title: str, settings: Mapping[str, Any]) -> tuple[aws.Caller | None, str]:
        """Who asks AWS, and as whom; nobody, once that is said, where this job has nothing to ask with."""
        role = settings.get("role")
        if isinstance(role, Mapping):
            role = role[self.role]
        if self.own_role is not None:
            role = self.own_role
        if self.own_role == "":
            self.story.warn(f"no login at {title}: no role is named for this job")
            return None, ""
        machine = settings.get("instance_profile")
        if self.local and (not (machine or self.asked) or aws.has_keys()):
            return "environment", "your own AWS credentials"
        if role and not self.local and self.provider.has_identity():
            found: aws_role.Assumed | None = aws_role.assume(
                role, settings, self.provider, self.registry.http, self._hide
            )
        elif machine:
            found = aws_role.assume_from_machine(role, settings, self._hide)
            if found is None:
                self.story.warn(f"no login at {title}: this machine has no instance profile")
        else:
            lacks = f"this job lacks {self.provider.identity_permission}, by which it takes its role"
            self.story.warn(f"no login at {title}: {'there are no AWS credentials' if self.local else lacks}")
            found = None
        return (found.keys, found.name) if found else (None, "")

    def by_token(self, section: str, way: TokenLogin) -> None:
        """Log in with the token of the environment, where this run writes there, or where a person asks."""
        token = way.find(self.environ)
        settings: Any = self.catalogue.settings.get(section, {})
        places = {place.registry: place for place in self._places(mirrors=self.asked or self.mirrors)}
        for host, place in places.items():
            if not self._takes_token(way, place):
                continue
            self._dealt_with.add(host)
            if self.local and not self.asked:
                self.story.step(f"No login at {host}: it was not asked for (inv login --{section})")
                continue
            if token is None:
                self._lacks_token(way, host)
                continue
            credential = token.credential(settings.get("user"), self.provider.actor(), place)
            self._hide_all(credential)
            client = _try_out(way, host, token.variable, credential)
            for name in dict.fromkeys(self._own_places()):  # of mirrors `inv mirror` says it
                if parse_reference(name).registry == host and (said := client.open_to(parse_reference(name))):
                    self.story.warn(said)
            self._keep(host, credential, f"{credential.username} by {token.variable}", None)

    def say_the_rest(self) -> None:
        """Name the registries of this run that nobody logs in at; what AWS credentials lacked was said."""
        rest = {place.registry: None for place in self._places()}
        for host in rest:
            if host not in self._dealt_with and not any(way.region_of(host) for way in AWS_LOGINS.values()):
                self.story.step(f"No login at {host}: what the Docker configuration has for it is used")
        if not rest:
            self.story.step("No login: the catalogue names no registry")

    def _lacks_token(self, way: TokenLogin, host: str) -> None:
        names = " nor ".join(way.variables)
        if self.asked:
            raise EnvironmentLacks(
                f"there is no token for {host}",
                doing=f"logging in at {host}",
                hint=f"export {way.variables[0]}=...    (a token with {way.permission})",
            )
        # a line, no annotation: of the many jobs of a run that mirrors, one has the token
        self.story.step(f"No login at {host}: neither {names} is in this step's environment")

    def _takes_token(self, way: TokenLogin, place: Reference) -> bool:
        """Whether a token goes there; any registry of this machine may stand for the vendor's as a mirror."""
        mine = place.registry in {parse_reference(name).registry for name in self._own_places()}
        if mine:
            return takes_token(way, self.catalogue, place.registry)
        return place.registry == way.host or is_loopback(place.registry)

    def _places(self, *, mirrors: bool | None = None) -> tuple[Reference, ...]:
        """The repositories that this run reads or writes, each once."""
        with_mirrors = self.mirrors if mirrors is None else mirrors
        names = [*self._own_places(), *(self.catalogue.mirrors if with_mirrors else ())]
        return tuple(parse_reference(name) for name in dict.fromkeys(names))

    def _own(self) -> list[Reference]:
        return [parse_reference(name) for name in self._own_places()]

    def _own_places(self) -> list[str]:
        """Images and caches of the levels of trust that this run deals with; a job with a role of its own: of all."""
        levels = frozenset(("trusted", "branch")) if self.own_role is not None else self.decision.touches
        registry, cache = self.catalogue.registry, self.catalogue.settings.get("cache") or {}
        found = [getattr(registry, level) for level in sorted(levels) if registry]
        assert isinstance(cache, Mapping)
        return found + [cache[level] for level in sorted(levels) if level in cache]

    def _make_repositories(self, way: AwsLogin, level: Repository, host: str, region: str, caller: aws.Caller) -> None:
        """Those that this run writes. Where only trusted runs write images, their content tags are held fast."""
        registry, cache = self.catalogue.registry, self.catalogue.settings.get("cache") or {}
        assert isinstance(cache, Mapping)
        images = getattr(registry, level) if registry else None
        mirrors = self.catalogue.mirrors if self.decision.mirror else ()
        shared = {registry.branch if registry else None, *cache.values(), *self.catalogue.mirrors}
        for name in dict.fromkeys(filter(None, (images, cache.get(level), *mirrors))):
            place = parse_reference(name)
            if way.region_of(place.registry) is None and place.registry != host:
                continue
            held = level == "trusted" and name == images and name not in shared
            if way.make_repository(place, region, caller, held=held):
                self.story.step(f"Made the repository {place.name}{', its content tags held fast' if held else ''}")

    def _keep(self, host: str, credential: Credential, who: str, ends: datetime | None) -> None:
        self._hide_all(credential)
        self._dealt_with.add(host)
        self.config.store(host, credential)
        until = f" until {ends.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC" if ends else ""
        self.story.step(f"Logged in at {host} as {who}{until}")

    def _hide_all(self, credential: Credential) -> None:
        for secret in credential.secrets:
            self._hide(secret)

    def _hide(self, secret: str) -> None:
        if secret not in self._secrets:
            self._secrets.append(secret)
            self.story.mask(secret)

    def without_secrets(self, error: ImageyardError) -> ImageyardError:
        """The error with what AWS or a registry quoted of our secrets taken out of it."""
        error.headline = redact(error.headline, self._secrets)
        error.detail = tuple(redact(line, self._secrets) for line in error.detail)
        error.args = (error.headline,)
        return error


def _try_out(way: TokenLogin, host: str, variable: str, credential: Credential) -> Client:
    """Ask the registry whether it takes the token: a build must not run for hours before that is known."""
    client = Client(credentials=lambda _: credential)
    try:
        client.check_login(host)
    except Denied as error:
        hint = (f"is {variable} still good, and has it {way.permission}?", way.tokens_page)
        raise Denied(error.headline, doing=f"logging in at {host} with {variable}", hint=hint) from None
    return client
