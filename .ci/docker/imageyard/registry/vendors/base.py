"""What is asked of a registry's vendor beyond what the OCI distribution specification has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from imageyard import aws
from imageyard.http.transport import Http
from imageyard.names import Digest, Reference
from imageyard.registry.credentials import Credential

__all__ = ["AnyVendor", "AwsLogin", "ListedManifest", "Password", "Token", "TokenLogin", "Vendor"]


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


@dataclass(frozen=True)
class ListedManifest:
    """A manifest as a vendor's own list has it. `size` is in bytes, `handle` what the vendor deletes it by.

    `pulled` is None where the vendor counts no pulls, or there was none. `artifact_type` is the type of an
    artifact, or that of an image's config; `subject` what it refers to, where the list says so.
    """

    digest: Digest
    tags: tuple[str, ...] = ()
    pushed: datetime | None = None
    pulled: datetime | None = None
    size: int | None = None
    media_type: str = ""
    artifact_type: str = ""
    subject: str | None = None
    archived: bool = False
    archived_at: datetime | None = None
    handle: str = ""


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

    def manifests(
        self, repository: Reference, credential: Credential | None, http: Http
    ) -> Sequence[ListedManifest] | None:
        """List all manifests of a repository, those without a tag too. Raises NotFound, Denied or Transient."""

    def delete(
        self, repository: Reference, listed: Sequence[ListedManifest], credential: Credential | None, http: Http
    ) -> Mapping[str, str] | None:
        """Delete manifests in this order; the vendor's words for each digest that it kept. None: by the protocol."""

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

    def manifests(
        self, repository: Reference, credential: Credential | None, http: Http
    ) -> Sequence[ListedManifest] | None:
        """The protocol lists tags, and no manifest without one."""
        return None

    def delete(
        self, repository: Reference, listed: Sequence[ListedManifest], credential: Credential | None, http: Http
    ) -> Mapping[str, str] | None:
        """Manifests are deleted one by one (OCI distribution-spec 1.1, "Deleting Manifests")."""
        return None
