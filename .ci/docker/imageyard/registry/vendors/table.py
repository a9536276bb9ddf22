"""Which vendor a registry is of, and how one logs in there. A new vendor is a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from imageyard import aws
from imageyard.http.transport import Http
from imageyard.names import Reference
from imageyard.registry.credentials import Credential
from imageyard.registry.vendors import ecr, ecr_images, ecr_tags, ghcr, ghcr_packages
from imageyard.registry.vendors.base import AnyVendor, AwsLogin, ListedManifest, Password, TokenLogin, Vendor

__all__ = ["AWS_LOGINS", "TOKEN_LOGINS", "vendor_of"]


class _Ecr(AnyVendor):
    """Amazon ECR: tags can be held fast, taken away one by one, and are dated."""

    untags = True

    def refuse_immutable(self, target: Reference) -> None:
        """Ask ECR for the mutability of the repository."""
        ecr.refuse_immutable(target)

    def pushed_at(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime]:
        """Ask ECR, which keeps when an image was pushed."""
        return ecr_tags.pushed(repository, tags)

    def untag(self, repository: Reference, tags: Sequence[str]) -> Mapping[str, str]:
        """Have ECR take tags away."""
        return ecr_tags.untag(repository, tags)

    def manifests(
        self, repository: Reference, credential: Credential | None, http: Http
    ) -> Sequence[ListedManifest] | None:
        """Ask the vendor's API, which lists what has no tag, too."""
        return ecr_images.manifests(repository)

    def delete(
        self, repository: Reference, listed: Sequence[ListedManifest], credential: Credential | None, http: Http
    ) -> Mapping[str, str] | None:
        """Have the vendor's API delete."""
        return ecr_images.delete(repository, listed)


class _EcrLogin:
    """ECR's API makes passwords, and its repositories must be made before they are pushed to."""

    title = "ECR"

    def region_of(self, host: str) -> str | None:
        """Read the region in the name of the host."""
        return ecr.region_of(host)

    def log_in(self, region: str, caller: aws.Caller) -> Password:
        """Ask ECR for a password."""
        return ecr.log_in(region, caller)

    def make_repository(self, repository: Reference, region: str, caller: aws.Caller, *, held: bool) -> bool:
        """Have ECR make a repository."""
        return ecr.make_repository(repository, region, caller, held=held)


class _Ghcr(AnyVendor):
    """GitHub's registry: nothing is deleted by the registry's protocol."""

    deletion_hint = "GitHub deletes versions of packages on its pages and by its own API only: gh api --help"

    def open_to(self, repository: Reference, credential: Credential | None, http: Http) -> str | None:
        """Ask GitHub which repository the package is linked to."""
        return ghcr.open_to(repository, credential, http)

    def manifests(
        self, repository: Reference, credential: Credential | None, http: Http
    ) -> Sequence[ListedManifest] | None:
        """Ask the vendor's API, which lists what has no tag, too."""
        return ghcr_packages.manifests(repository, credential, http)

    def delete(
        self, repository: Reference, listed: Sequence[ListedManifest], credential: Credential | None, http: Http
    ) -> Mapping[str, str] | None:
        """Have the vendor's API delete."""
        return ghcr_packages.delete(repository, listed, credential, http)


AWS_LOGINS: Mapping[str, AwsLogin] = {"ecr": _EcrLogin()}
"""By the section of the catalogue that says by which role."""

TOKEN_LOGINS: Mapping[str, TokenLogin] = {"ghcr": ghcr.GhcrLogin()}
"""By the section of the catalogue that says as whom."""


def vendor_of(registry: str) -> Vendor:
    """The vendor of a registry, by its host."""
    if ecr.region_of(registry):
        return _Ecr()
    return _Ghcr() if registry == ghcr.HOST else AnyVendor()
