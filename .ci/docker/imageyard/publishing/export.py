"""A row on its way from the engine to a repository: exactly the bytes that passed their checks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import process
from imageyard.builders.request import BuildRequest, loadable
from imageyard.errors import EnvironmentLacks, NotFound, PolicyRefused
from imageyard.names import platform_of
from imageyard.oci.archive import Archive
from imageyard.oci.compressed import Compressed
from imageyard.oci.store import copy
from imageyard.project.labels import INPUTS_LABEL
from imageyard.publishing.publish import RAISE_EPOCH, land, lock_of
from imageyard.publishing.verify_published import prove
from imageyard.registry.store import RegistryStore
from imageyard.registry.tagging import Given
from imageyard.run import leftovers

if TYPE_CHECKING:
    from imageyard.engine import LoadedImage
    from imageyard.names import Reference
    from imageyard.records import Record
    from imageyard.registry.client import Client
    from imageyard.run.row_run import Job

__all__ = ["loaded", "refuse_narrowed", "send", "wanted"]


def wanted(job: Job) -> dict[str, str]:
    """What a row's image must be made of, by its platform."""
    return {platform_of(job.row.arch): job.recipe.inputs}


def refuse_narrowed(job: Job) -> None:
    """Raise EnvironmentLacks where the engine's image store cannot hold what is declared of the row's image."""
    image = job.recipes.own(job.row).image
    declared = BuildRequest(
        image.dockerfile,
        job.recipe.platform,
        provenance=image.provenance,
        sbom=image.sbom,
        reproducible=image.reproducible,
    )
    _, left_out = loadable(declared, job.services.engine().image_store)
    if left_out:
        raise EnvironmentLacks(
            f"{image.name} is declared with {', '.join(left_out)}: the engine's classic image store cannot hold that",
            doing=f"publishing {job.title}",
            hint=(
                '"features": {"containerd-snapshotter": true} in daemon.json, and build it again',
                f"inv build {image.name} --builder remote",
            ),
        )


def loaded(job: Job) -> LoadedImage:
    """The image that earned its tag in the engine.

    Raises NotFound without one, PolicyRefused for a foreign one, EnvironmentLacks for one that is less than declared.
    """
    refuse_narrowed(job)
    name = _name(job)
    found = job.services.engine().inspect(name)
    if found is None:
        raise NotFound(
            f"the engine has no {name}",
            doing=f"publishing {job.title}",
            hint=f"inv build {job.row.name} --arch {job.row.arch}    (its tag comes with passed checks)",
        )
    recipe, inputs = job.recipe, found.labels.get(INPUTS_LABEL)
    if (inputs, found.platform) != (recipe.inputs, recipe.platform):
        raise PolicyRefused(
            f"{name} in the engine is not what its tag says",
            doing=f"publishing {job.title}",
            detail=(
                f"expected inputs {recipe.inputs} for {recipe.platform}",
                f"found    inputs {inputs} for {found.platform}",
            ),
            hint=f"inv build {job.row.name} --arch {job.row.arch} --force",
        )
    return found


def send(job: Job, client: Client, target: Reference, record: Record, *, move: bool) -> Given:
    """Bring a row to `target`: all by digest, then its record, then the tag, unless somebody gave it meanwhile."""
    rows = job.services.run.log_of(job.row.name, job.row.arch).parent  # a later build sweeps it where we are killed
    with (
        lock_of(job.services.reporter, target),
        tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH, dir=rows) as folder,
    ):
        if not move and (winner := client.digest_of(target)):
            prove(client, target.with_digest(winner), wanted(job), RAISE_EPOCH)
            return Given(winner, adopted=True)
        job.step(f"pushing {target}")
        archive = Path(folder) / "image.tar"
        _save(job, archive)
        image = Compressed(Archive(archive), Path(folder))
        copy(image, RegistryStore(client, target), image.root)
        return land(client, target.with_digest(image.root), target.tag or "", wanted(job), record, move=move)


def _save(job: Job, file: Path) -> None:
    engine, name = job.services.engine(), _name(job)
    answer = process.run([engine.program, "save", "--output", str(file), name], env=engine.env)
    if answer.code:
        raise EnvironmentLacks(
            f"the engine does not hand over {name}", detail=answer.complaint.splitlines()[:10], hint="inv doctor"
        )


def _name(job: Job) -> str:
    return str(job.project.repository.with_tag(job.tag))
