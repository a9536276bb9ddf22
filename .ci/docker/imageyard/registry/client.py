"""A registry's manifests and tags, by the exact bytes: nothing is believed whose digest is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin

from imageyard.errors import ConfigurationError, ImageyardError, NotFound, Transient
from imageyard.http.backoff import Clock, Policy
from imageyard.http.connections import MakePool, manager
from imageyard.http.transport import MANIFEST_LIMIT, Http, Reply, origin_of
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import ACCEPT, MEDIA_TYPES, digest_of, is_digest, matches
from imageyard.oci.raw import Raw
from imageyard.registry.answers import failure
from imageyard.registry.auth import Auth, Scopes, scope
from imageyard.registry.credentials import Credential, DockerConfig
from imageyard.registry.endpoint import Endpoints
from imageyard.registry.paging import next_page
from imageyard.registry.vendors.base import ListedManifest
from imageyard.registry.vendors.table import vendor_of

__all__ = ["Client"]

_TAGS_LIMIT = 16 * 1024 * 1024
_MOST_PAGES = 10_000


class Client:
    """All registries, one pool. Methods raise NotFound, Denied, PolicyRefused or Transient, in the registry's words."""

    def __init__(
        self,
        *,
        insecure: Collection[str] = (),
        credentials: Callable[[str], Credential | None] | None = None,
        ca: Path | None = None,
        policy: Policy | None = None,
        clock: Clock | None = None,
        make_pool: MakePool = manager,
    ) -> None:
        """`insecure`: hosts to speak plain HTTP to; `credentials`: by host, else the Docker configuration's."""
        self.http = Http(policy=policy, clock=clock, ca=ca, make_pool=make_pool)
        self.endpoints = Endpoints(self.http, insecure)
        self.auth = Auth(self.http, credentials or DockerConfig().find, self.endpoints.plain_allowed)
        self.largest_piece: dict[str, int] = {}  # by registry, bytes: what one that refuses larger ones takes

    def head(self, reference: Reference, *actions: str) -> tuple[Digest, str]:
        """The digest and the media type of a manifest, by HEAD; by GET where the registry sends no digest.

        `actions` are those of the scope, as in `call`: a repository that is not there yet may be for writers only.
        """
        path = f"manifests/{_target(reference)}"
        reply = self.call("HEAD", reference, path, *actions, headers={"Accept": ACCEPT})
        digest = reply.headers.get("docker-content-digest")
        if (
            reply.status != 200 or not digest or not is_digest(digest)
        ):  # an answer to HEAD has no words: those of GET are the registry's
            raw = self.get(reference, *actions)
            return raw.digest, raw.media_type
        if reference.digest and digest != reference.digest:
            raise _forged(reference, digest)
        return Digest(digest), _media_type(reply)

    def digest_of(self, reference: Reference, *actions: str) -> Digest | None:
        """The digest of a manifest, None where it is not there."""
        try:
            return self.head(reference, *actions)[0]
        except NotFound:
            return None

    def get(self, reference: Reference, *actions: str) -> Raw:
        """A manifest by tag or digest, its bytes checked against the digest asked for and the one that came along."""
        reply = self.call("GET", reference, f"manifests/{_target(reference)}", *actions, headers={"Accept": ACCEPT})
        if reply.status != 200:
            raise self.failure(reply, reference, f"reading {reference}")
        found = digest_of(reply.body)
        for expected in (reference.digest, reply.headers.get("docker-content-digest")):
            if expected and not matches(reply.body, expected):
                raise _forged(reference, found, expected)
        media_type = _media_type(reply)
        if media_type not in MEDIA_TYPES:
            kind = media_type or "no type"
            raise Transient(
                f"{reference.registry} answered with {kind:.100}, not a manifest", doing=f"reading {reference}"
            )
        return Raw(media_type, reference.digest or found, reply.body)

    def put(self, reference: Reference, body: bytes, media_type: str) -> Digest:
        """Put exactly these bytes under a tag, or under their own digest; returns their digest."""
        digest = digest_of(body)
        if reference.digest not in (None, digest):
            raise ConfigurationError(f"these bytes are {digest}, not {reference.digest}")
        if len(body) > MANIFEST_LIMIT:
            raise ConfigurationError(f"a manifest of {len(body)} bytes is more than registries take ({MANIFEST_LIMIT})")
        self._put(reference, body, media_type, digest)
        return digest

    def put_with_subject(self, reference: Reference, body: bytes, media_type: str) -> bool:
        """As `put`; returns whether the registry keeps the referrer itself (it answers with `OCI-Subject`)."""
        return "oci-subject" in self._put(reference, body, media_type, digest_of(body)).headers

    def _put(self, reference: Reference, body: bytes, media_type: str, digest: Digest) -> Reply:
        doing = f"writing {reference}"
        path = f"manifests/{reference.tag or digest}"
        reply = self.call("PUT", reference, path, "pull", "push", headers={"Content-Type": media_type}, body=body)
        if reply.status not in (200, 201, 202):
            raise self.failure(reply, reference, doing)
        stated = reply.headers.get("docker-content-digest", digest)
        if stated != digest:
            raise Transient(f"{reference.registry} says that it keeps {stated:.80}, not {digest}", doing=doing)
        return reply

    def delete(self, reference: Reference) -> None:
        """Delete a manifest by its digest, and with it every tag that names it; by tag is refused.

        Raises EnvironmentLacks where the registry has deletion switched off, NotFound where it does not have it.
        """
        if reference.digest is None:
            raise ConfigurationError(f"{reference} names no digest, and deleting goes by digest only")
        reply = self.call("DELETE", reference, f"manifests/{reference.digest}", "delete", "pull", "push")
        if reply.status not in (200, 202, 204):
            raise self.failure(reply, reference, f"deleting {reference}")

    def tags(self, repository: Reference) -> tuple[str, ...]:
        """All tags of a repository, in the registry's order."""
        return tuple(dict.fromkeys(tag for page in self.tag_pages(repository) for tag in page))

    def tag_pages(self, repository: Reference) -> Iterator[Sequence[str]]:
        """The tags of a repository page by page, each asked for when the one before it was used."""
        doing = f"listing the tags of {repository.name}"
        path: str | None = "tags/list?n=1000"
        seen: set[str] = set()
        while path is not None:
            if path in seen or len(seen) >= _MOST_PAGES:
                raise Transient(f"{repository.registry} lists tags in circles", doing=doing)
            seen.add(path)
            reply = self.call("GET", repository, path, limit=_TAGS_LIMIT)
            if reply.status != 200:
                failure = self.failure(reply, repository, doing, what=repository.name)
                if len(seen) > 1 and isinstance(failure, NotFound):  # of a later page: the first one was there
                    raise Transient(f"{repository.registry} cut the list of tags: {failure.headline}", doing=doing)
                raise failure
            yield _tags_of(reply, repository, doing)
            path = next_page(reply, doing)

    def call(
        self,
        method: str,
        reference: Reference,
        path: str,
        *actions: str,
        also: Scopes = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MANIFEST_LIMIT,
        again: bool = True,
    ) -> Reply:
        """One request to a repository, its 401 answered once. `path` is below the repository, or a URL.

        `actions` are those of its scope (`pull` where none is named), `also` further scopes.
        """
        url, scopes, known = self.prepare(reference, path, actions or ("pull",), also)
        sent = dict(headers or {})
        if known:
            sent["Authorization"] = known
        reply = self.http.send(method, url, headers=sent, body=body, limit=limit, again=again)
        ours = self.endpoints.origin(reference.registry)
        if reply.status == 401 and origin_of(url) == ours == origin_of(reply.url):
            fresh = self.auth.answer(reference.registry, scopes, reply, known)
            if fresh is not None:
                sent["Authorization"] = fresh
                reply = self.http.send(method, url, headers=sent, body=body, limit=limit, again=again)
        return reply

    def prepare(
        self, reference: Reference, path: str, actions: Collection[str], also: Scopes = ()
    ) -> tuple[str, Scopes, str | None]:
        """The URL, the scopes and, where it is known and may go there, the Authorization of a request."""
        origin = self.endpoints.origin(reference.registry)
        url = urljoin(f"{origin}/v2/{reference.repository}/", path)
        if url.startswith("http://") and origin.startswith("https://"):
            if origin_of(url).partition("://")[2] != origin.partition("://")[2]:
                raise Transient(f"{reference.registry} sends us on to a place without TLS")
            url = f"https://{url.partition('://')[2]}"  # a registry behind a proxy that ends TLS does not know better
        scopes = (scope(reference.repository, *actions), *also)
        known = self.auth.header(reference.registry, scopes) if origin_of(url) == origin else None
        return url, scopes, known

    def open_to(self, repository: Reference) -> str | None:
        """Say who may write a repository that should not, as far as its vendor tells; no answer is none."""
        credential = self.auth.credential(repository.registry)
        return vendor_of(repository.registry).open_to(repository, credential, self.http)

    def listed(self, repository: Reference) -> Sequence[ListedManifest] | None:
        """List all manifests of a repository by its vendor's own API; None where the vendor has none."""
        credential = self.auth.credential(repository.registry)
        return vendor_of(repository.registry).manifests(repository, credential, self.http)

    def delete_listed(self, repository: Reference, listed: Sequence[ListedManifest]) -> Mapping[str, str] | None:
        """Delete manifests by their vendor's own API; its words for each digest that it kept, None as for `listed`."""
        credential = self.auth.credential(repository.registry)
        return vendor_of(repository.registry).delete(repository, listed, credential, self.http)

    def check_login(self, registry: str) -> None:
        """Raise Denied unless the registry takes our credentials, asked for no repository, as `docker login` does."""
        url = f"{self.endpoints.origin(registry)}/v2/"
        reply = self.http.send("GET", url)
        if reply.status == 401 and (header := self.auth.prove(registry, reply)):
            reply = self.http.send("GET", url, headers={"Authorization": header})
        if reply.status != 200:
            raise failure(reply, url, registry, f"logging in at {registry}", self.auth.secrets)

    def failure(self, reply: Reply, reference: Reference, doing: str, *, what: str = "") -> ImageyardError:
        """The error for an answer, without a secret in it."""
        return failure(reply, what or str(reference), reference.registry, doing, self.auth.secrets)


def _target(reference: Reference) -> str:
    target = reference.digest or reference.tag
    if target is None:
        raise ConfigurationError(f"{reference} names neither a tag nor a digest")
    return target


def _media_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip()


def _forged(reference: Reference, found: str, expected: str | None = None) -> Transient:
    return Transient(
        f"{reference.registry} answered with bytes of another digest",
        doing=f"reading {reference}",
        detail=(f"expected {(expected or reference.digest or '')[:80]}", f"found    {found[:80]}"),
        hint="nothing of it was used; a proxy or a cache in between may be broken",
    )


def _tags_of(reply: Reply, repository: Reference, doing: str) -> list[str]:
    try:
        listed = json.loads(reply.body)["tags"] or []
        if isinstance(listed, list) and all(isinstance(tag, str) for tag in listed):
            return listed
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Transient(f"{repository.registry} did not answer with a list of tags", doing=doing)
