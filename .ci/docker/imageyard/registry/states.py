"""Present, absent, revoked or unknown, at a registry: one reference, or many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from imageyard import errors
from imageyard.http.failures import NoAnswer
from imageyard.names import Absent, Digest, Present, Reference, Revoked, State, Unknown
from imageyard.oci.manifests import Index, Manifest, platform_of_config
from imageyard.oci.raw import Raw
from imageyard.oci.revocation import revocations
from imageyard.oci.verify import attested, faults, missing, runnable
from imageyard.parallel import each
from imageyard.registry import blobs
from imageyard.registry.client import Client
from imageyard.registry.store import RegistryStore

__all__ = ["Complete", "inspect", "state", "states"]

_DEEPEST = 4
_MOST = 2000  # manifests below one reference
_WORKERS = 32


@dataclass
class Complete:
    """What stands behind a reference: its own bytes, and all that an index leads to."""

    raw: Raw
    root: Index | Manifest
    documents: dict[Digest, Index | Manifest | None] = field(default_factory=dict)  # None: not there
    present: set[Digest] = field(default_factory=set)
    platforms: dict[Digest, str] = field(default_factory=dict)  # as their configs say

    def faults(self, expected: Iterable[str]) -> list[str]:
        """What is wrong with it, in words, when these platforms are expected; all of it only where read thoroughly."""
        return faults(self.root, tuple(expected), self.documents, present=self.present, platforms=self.platforms)

    def found(self) -> tuple[str, ...]:
        """Its platforms, in order; empty for an artifact."""
        if isinstance(self.root, Manifest):
            return tuple(self.platforms.values())
        images = runnable(self.root, self.documents)
        named = [self.platforms.get(leaf.entry.digest) or leaf.entry.platform or "" for leaf in images]
        return tuple(dict.fromkeys(filter(None, named)))


def inspect(client: Client, reference: Reference, *, thorough: bool = False, platforms: bool = True) -> Complete:
    """Read all that a reference leads to; `thorough`: the children's manifests and configs, not only their presence.

    Without `platforms` a lone manifest's config is not read: one request less, and its platform is not known.

    Raises NotFound, Denied or Transient for the reference itself, and Denied or Transient for what is below it;
    PolicyRefused where the config of an image is not there.
    """
    raw = client.get(reference)
    seen = Complete(raw, raw.parsed())
    if isinstance(seen.root, Manifest):
        if platforms or thorough:
            _config(client, reference, seen, seen.root)
    else:
        _below(client, reference, seen, seen.root, thorough, 0)
    return seen


def state(client: Client, reference: Reference) -> State:
    """Whether the registry has this, whole, and nobody revoked it.

    Never raises for what a registry does: that is Unknown, with its words.
    """
    told = {reference: _state(client, reference, platforms=True)[0]}
    return _with_revocations(client, told)[reference]


def states(
    client: Client, references: Iterable[Reference], *, platforms: bool = True, workers: int = _WORKERS
) -> Mapping[Reference, State]:
    """The state of each reference, asked for in parallel through one pool; `platforms` as in `inspect`.

    A registry that answers nobody is asked for its first reference alone: many that fail at once would wait for one
    another until their budgets are used up.
    """
    wanted = tuple(dict.fromkeys(references))
    firsts = {reference.registry: reference for reference in reversed(wanted)}
    silent: dict[str, State] = {}

    def ask(reference: Reference) -> State:
        if reference.registry in silent:
            return silent[reference.registry]
        told, answered = _state(client, reference, platforms)
        if not answered and reference is firsts[reference.registry]:
            silent[reference.registry] = told
        return told

    told = {reference: ask(reference) for reference in firsts.values()}
    rest = [reference for reference in wanted if reference not in told]
    told |= zip(rest, each(rest, ask, workers), strict=True)
    return _with_revocations(client, {reference: told[reference] for reference in wanted})


def _state(client: Client, reference: Reference, platforms: bool) -> tuple[State, bool]:
    """The state, and whether the registry answered at all."""
    try:
        seen = inspect(client, reference, platforms=platforms)
    except errors.NotFound:
        return Absent(), True
    except errors.ImageyardError as error:
        return Unknown(_silence(error)), not isinstance(error, NoAnswer)
    if isinstance(seen.root, Manifest):
        return Present(seen.raw.digest, seen.found()), True
    if gone := missing(seen.root, seen.documents, seen.present):
        why = f"{reference} is incomplete: {'; '.join(gone[:3])}"
        return Unknown(errors.Transient(why, doing=f"reading {reference}")), True
    return Present(seen.raw.digest, seen.found(), attested(seen.root, seen.documents)), True


def _with_revocations(client: Client, told: Mapping[Reference, State]) -> dict[Reference, State]:
    """The states, those of revoked images as Revoked; of a repository that does not say which are, all are Unknown."""
    found = dict(told)
    present = {reference: state for reference, state in told.items() if isinstance(state, Present)}
    for repository in dict.fromkeys(Reference(one.registry, one.repository) for one in present):
        held = {one: state.digest for one, state in present.items() if one.name == repository.name}
        try:
            tags = [one.tag for one in held if one.tag and not one.digest]
            revoked = revocations(RegistryStore(client, repository), set(held.values()), tags)
        except errors.ImageyardError as error:
            found |= dict.fromkeys(held, Unknown(_silence(error)))
            continue
        found |= {one: Revoked(digest, revoked[digest].reason) for one, digest in held.items() if digest in revoked}
    return found


def _silence(error: errors.ImageyardError) -> errors.Denied | errors.Transient:
    """What kept us from knowing: whatever is no refusal of our credentials may be otherwise the next time."""
    if isinstance(error, (errors.Denied, errors.Transient)):
        return error
    return errors.Transient(error.headline, doing=error.doing, detail=error.detail, hint=error.hint)


def _below(client: Client, reference: Reference, seen: Complete, index: Index, thorough: bool, depth: int) -> None:
    if len(seen.documents) + len(seen.present) + len(index.manifests) > _MOST:
        raise errors.Transient(f"{reference} leads to more than {_MOST} manifests", doing=f"reading {reference}")
    for entry in index.manifests:
        if entry.digest in seen.documents or entry.digest in seen.present:
            continue
        child = reference.with_digest(entry.digest)
        try:
            plain = not entry.is_index and (entry.platform is not None or entry.attests is not None)
            if plain and not thorough:
                client.head(child)
                seen.present.add(entry.digest)
                continue
            document = client.get(child).parsed()
        except errors.NotFound:
            seen.documents[entry.digest] = None
            continue
        seen.documents[entry.digest] = document
        if isinstance(document, Manifest):
            if entry.attests is None and document.subject is None:
                _config(client, reference, seen, document)
        elif depth < _DEEPEST:
            _below(client, reference, seen, document, thorough, depth + 1)


def _config(client: Client, reference: Reference, seen: Complete, manifest: Manifest) -> None:
    if not manifest.is_image:
        return
    try:
        config = blobs.read(client, reference, manifest.config.digest, limit=blobs.CONFIG_LIMIT)
    except errors.NotFound:
        raise errors.PolicyRefused(
            f"{reference} is incomplete: its config {manifest.config.digest} is missing", doing=f"reading {reference}"
        ) from None
    seen.platforms[manifest.digest] = platform_of_config(config)
