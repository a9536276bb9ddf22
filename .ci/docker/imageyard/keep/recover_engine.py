"""Bringing images back from the bucket into the engine: with their digests where its image store keeps any."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.bucket.store import BucketStore
from imageyard.errors import ImageyardError, NotFound, PolicyRefused, RevokedImage, exit_code
from imageyard.keep.backup_copy import is_companion
from imageyard.layout import size
from imageyard.names import Digest, Reference, parse_reference, platform_text
from imageyard.oci.loadable import manifest_for, write_loadable
from imageyard.oci.manifests import Manifest
from imageyard.oci.revocation import revocation_of
from imageyard.records import worst

if TYPE_CHECKING:
    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.engine import Engine
    from imageyard.oci.raw import Raw
    from imageyard.run.services import Services

__all__ = ["recover_to_engine"]


def recover_to_engine(
    services: Services, bucket: Bucket, entries: Sequence[TagEntry], *, yes: bool
) -> tuple[list[tuple[str, Reference]], int]:
    """Load images into the engine, one after the other; returns those that were loaded, and the exit code of the whole.

    The containerd image store keeps the digest of an image, over several platforms too. The classic one keeps that of
    the config, by which it knows an image, and of an image over several platforms the one for the engine's own; then
    the reference has no digest. A name that is another image now is left alone, and refused.
    """
    engine = services.engine()
    done: list[tuple[str, Reference]] = []
    codes, rows = [], []
    if engine.image_store == "classic":
        services.reporter.step("the engine has the classic image store: images get their ids back, and no digests")
    for entry in entries:
        try:
            fate, what = _one(engine, bucket, entry, yes=yes)
        except ImageyardError as error:
            services.reporter.error(error)
            codes.append(exit_code(error))
            fate, what = "failed" if yes else "refused", error.headline
        rows.append((fate, entry.tag, entry.digest, what))
        if fate == "recovered":
            name = _name(entry)
            done.append((entry.tag, name.with_digest(entry.digest) if engine.image_store == "containerd" else name))
    services.reporter.table(("", "tag", "digest", "what"), rows, cut=("what",))
    if not yes:
        coming = sum(row[0] == "comes back" for row in rows)
        again = "; --yes does it" if coming else ""
        services.reporter.step(f"{coming} of {len(rows)} tags would come back from {bucket.name} to the engine{again}")
        return [], 0
    return done, worst(codes)


def _one(engine: Engine, bucket: Bucket, entry: TagEntry, *, yes: bool) -> tuple[str, str]:
    """What becomes of an entry, and why. Raises PolicyRefused where its name is another image in the engine.

    Raises RevokedImage for one that is revoked: an engine has no place for its marker.
    """
    if is_companion(entry.tag):
        return "left out", "it lies beside an image: an engine keeps images only"
    source, name = BucketStore(bucket, entry.repository), str(_name(entry))
    if found := revocation_of(source, entry.digest):
        raise RevokedImage(
            f"{entry.tag} must not be used: {found.reason}",
            doing=f"recovering {entry.tag}",
            hint="raise `epoch` in the catalogue, which gives the same inputs a new tag",
        )
    root = source.manifest(entry.digest)
    if root is None:
        raise NotFound(f"{bucket.name} has no manifest {entry.digest}", doing=f"recovering {entry.tag}")
    platform = platform_text(engine.info["OSType"], engine.info["Architecture"])
    chosen = manifest_for(source, root, platform) if engine.image_store == "classic" else None
    if chosen is None and engine.image_store == "classic":
        return "left out", f"it has no image for {platform}, and the classic image store keeps one only"
    wanted = root.digest if chosen is None else _config(chosen)
    held = _held(engine, name)
    if held == wanted:
        return "is there", wanted
    if held is not None:
        raise PolicyRefused(
            f"{name} is another image in the engine",
            doing="recovering it",
            detail=(f"there:  {held}", f"backup: {wanted}"),
            hint=f"docker image rm {name}",
        )
    if not yes:
        return "comes back", f"{size(entry.size)}, backed up {entry.saved}"
    with tempfile.TemporaryDirectory(prefix="imageyard-") as folder:
        archive = Path(folder) / "image.tar"
        write_loadable(archive, source, root, name, chosen)
        engine.load(archive)
    if (held := _held(engine, name)) != wanted:
        raise PolicyRefused(f"{name} is {held} in the engine, and not {wanted}", doing="recovering it")
    return "recovered", wanted


def _held(engine: Engine, name: str) -> Digest | None:
    """What the engine's image store knows an image by."""
    found = engine.inspect(name)
    return None if found is None else found.digest or Digest(found.id)


def _config(raw: Raw) -> Digest:
    document = raw.parsed()
    assert isinstance(document, Manifest)
    return document.config.digest


def _name(entry: TagEntry) -> Reference:
    return parse_reference(entry.repository).with_tag(entry.tag)
