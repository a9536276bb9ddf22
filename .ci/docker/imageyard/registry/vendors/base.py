"""What is asked of a registry's vendor beyond what the OCI distribution specification has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from imageyard import aws
from imageyard.http.transport import Http
from imageyard.names import Reference
from imageyard.registry.credentials import Credential

__all__ = ["AnyVendor", "AwsLogin", "Password", "Token", "TokenLogin", "Vendor"]


@dataclass(frozen=True)
class Password:
    """A password that a vendor's API made for an AWS caller, and the host that the API names for it."""

    host: str
    credential: Credential
    expires: datetime | None


@dataclass(frozen=True)
class Token:
    """A token that a registry takes, and the variable that holds it."""

    variable: str
    value: str = field(repr=False)

    def credential(self, user: str | None, actor: str | None, repository: Reference) -> Credential:
        """As the registry takes it; it asks for some user name and looks at the token only."""
        return Credential(user or actor or repository.repository.partition("/")[0], self.value)


class AwsLogin(Protocol):
    """How to log in at the registries of a vendor that makes passwords for AWS credentials."""

    title: str

    def region_of(self, host: str) -> str | None:
        """Return the region of a registry; None for a host that is not the vendor's."""

    def log_in(self, region: str, caller: aws.Caller) -> Password:
        """Ask for a password for every registry of the region. Raises Denied and Transient."""

    def make_repository(self, repository: Reference, region: str, caller: aws.Caller, *, held: bool) -> bool:
        """Make a repository unless it is there; `held`: its content tags cannot be moved. Returns whether it was made.

        Raises Denied, EnvironmentLacks and Transient.
        """


class TokenLogin(Protocol):
    """How to log in at a registry that takes a token from the environment."""

    host: str
    variables: tuple[str, ...]
    """Where a token is looked for, the best first."""

    permission: str
    """What a token has to allow."""

    tokens_page: str
    """Where a person makes one."""

    def find(self, environ: Mapping[str, str]) -> Token | None:
        """Return the token in the environment."""


class Vendor(Protocol):
    """The habits of one kind of registry. An answer None says that the vendor has no such thing."""

    deletion_hint: str

    def refuse_immutable(self, target: Reference) -> None:
        """Raise PolicyRefused where the tag of `target` cannot be given to another image."""

    def pushed_at(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime] | None:
        """When what each tag names was pushed last."""

    def untag(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, str] | None:
        """Take tags away, one by one; the vendor's words for each tag that it kept. None: deletion is by digest."""

    def open_to(self, repository: Reference, credential: Credential | None, http: Http) -> str | None:
        """Say who may write the repository that should not, as far as the vendor tells; it raises nothing."""

    @property
    def untags(self) -> bool:
        """Whether a tag can be taken away while another keeps the same manifest."""


class AnyVendor:
    """A registry that does what the specification says, and nothing more."""

    deletion_hint = "deletion may be switched off there"
    untags = False

    def refuse_immutable(self, target: Reference) -> None:
        """Nothing is known before the tag is moved: the registry answers then."""

    def pushed_at(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime] | None:
        """No such registry keeps when an image was pushed."""
        return None

    def open_to(self, repository: Reference, credential: Credential | None, http: Http) -> str | None:
        """The protocol has no question about the rights of others."""
        return None

    def untag(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, str] | None:
        """Tags go with their manifest, which is deleted by its digest (OCI distribution-spec 1.1, "Deleting tags")."""
        return None
