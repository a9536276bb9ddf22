"""What points at a manifest by its `subject`: the referrers API, and the tag that stands in for it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

from imageyard.errors import ConfigurationError, NotFound, Transient
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_INDEX, Descriptor, Index, Manifest, digest_of, parse
from imageyard.registry.client import Client
from imageyard.registry.paging import next_page

__all__ = ["attach", "detach", "fallback_tag", "is_fallback_tag", "referrers"]

_MOST_PAGES = 100
_ROUNDS = 8
_FALLBACK = re.compile(r"sha256-[0-9a-f]{64}|sha512-[0-9a-f]{64}")
_ONE_WRITER = threading.Lock()
"""Threads of this process do not race for a fallback index; what other machines do between our read and write shows on
the read after it, and only what they do after that is theirs to see."""


def fallback_tag(digest: Digest) -> str:
    """The tag whose index lists the referrers where no API does (OCI distribution-spec 1.1, "Referrers Tag Schema")."""
    algorithm, _, text = digest.partition(":")
    return f"{algorithm[:32]}-{text[:64]}"


def is_fallback_tag(tag: str) -> bool:
    """Whether a tag only lists the referrers of a manifest."""
    return _FALLBACK.fullmatch(tag) is not None


def referrers(client: Client, subject: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
    """What refers to the manifest `subject.digest`, all of it or that of one type; empty where nothing does.

    A 404 of the API, of whatever form, means that the registry has none: then the fallback tag has the answer, and
    it is that answer which must be believable. Raises Denied or Transient.
    """
    digest = _digest(subject)
    path = f"referrers/{digest}"
    found: dict[Digest, Descriptor] = {}
    for _ in range(_MOST_PAGES):
        reply = client.call("GET", subject, path, headers={"Accept": OCI_INDEX})
        if reply.status == 404:
            if found:  # a later page: the registry has the API, and no other list of its referrers
                raise Transient(f"{subject.registry} cut the list of what refers to {subject}")
            found |= {entry.digest: entry for entry in _tagged(client, subject, digest)}
            break
        if reply.status != 200:
            raise client.failure(reply, subject, f"listing what refers to {subject}")
        page = parse(reply.body, reply.headers.get("content-type"))
        if not isinstance(page, Index):
            raise Transient(f"{subject.registry} did not answer with a list of referrers")
        found |= {entry.digest: entry for entry in page.manifests}
        following = next_page(reply, f"listing what refers to {subject}")
        if following is None:
            break
        path = following
    else:
        raise Transient(f"{subject.registry} lists referrers in circles")
    return tuple(entry for entry in found.values() if artifact_type in (None, entry.artifact_type))


def attach(client: Client, repository: Reference, body: bytes) -> Digest:
    """Put a manifest that names a `subject`, under its digest, and see to it that it is found; returns the digest.

    Where the registry does not answer with `OCI-Subject` it has no referrers API, and the fallback tag's index is
    read, extended, written and read again until the entry is in it: registries have no compare-and-swap, and another
    writer may have been faster. Raises Denied, PolicyRefused or Transient.
    """
    manifest = parse(body)
    if manifest.subject is None:
        raise ConfigurationError("a manifest without `subject` refers to nothing")
    digest = digest_of(body)
    if client.put_with_subject(repository.with_digest(digest), body, manifest.media_type):
        return digest
    entry: dict[str, Any] = {"mediaType": manifest.media_type, "digest": digest, "size": len(body)}
    kind = manifest.artifact_type or (manifest.config.media_type if isinstance(manifest, Manifest) else None)
    if kind:
        entry["artifactType"] = kind
    if manifest.annotations:
        entry["annotations"] = dict(manifest.annotations)

    def extended(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*(one for one in entries if one.get("digest") != digest), entry]

    with _ONE_WRITER:
        _rewrite(client, repository, manifest.subject.digest, extended, lambda has: digest in has)
    return digest


def detach(client: Client, repository: Reference, subject: Digest, referrer: Digest) -> None:
    """Take a referrer out of the fallback index, before its manifest is deleted; a registry with the API needs none."""

    def reduced(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [one for one in entries if one.get("digest") != referrer]

    if any(entry.digest == referrer for entry in _tagged(client, repository, subject)):
        with _ONE_WRITER:
            _rewrite(client, repository, subject, reduced, lambda has: referrer not in has)


def _rewrite(
    client: Client,
    repository: Reference,
    subject: Digest,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    done: Callable[[set[str]], bool],
) -> None:
    tag = repository.with_tag(fallback_tag(subject))
    for attempt in range(_ROUNDS):
        try:
            raw = client.get(tag)
            index = raw.parsed()
            content: dict[str, Any] = json.loads(raw.body)
        except NotFound:
            index, content = None, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        if index is not None and not isinstance(index, Index):
            raise Transient(f"{tag} is not an index: something else uses the tag of the referrers")
        entries = content["manifests"]
        changed = change(entries)
        if index is None or changed != entries:
            content["manifests"] = changed
            client.put(tag, json.dumps(content, separators=(",", ":")).encode(), OCI_INDEX)
        if done({entry.digest for entry in _tagged(client, repository, subject)}):
            return
        client.http.clock.sleep(0.05 * 2**attempt * (0.5 + client.http.clock.chance()))
    raise Transient(f"{tag} was rewritten by others {_ROUNDS} times", doing="listing a referrer under the fallback tag")


def _tagged(client: Client, repository: Reference, subject: Digest) -> tuple[Descriptor, ...]:
    tag = repository.with_tag(fallback_tag(subject))
    try:
        index = client.get(tag).parsed()
    except NotFound:
        return ()
    if not isinstance(index, Index):
        raise Transient(f"{tag} is not an index of referrers")
    return index.manifests


def _digest(subject: Reference) -> Digest:
    if subject.digest is None:
        raise ConfigurationError(f"{subject} names no digest, and referrers go by digest")
    return subject.digest
