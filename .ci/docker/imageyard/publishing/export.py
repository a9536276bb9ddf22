"""Send a row's image from the engine to a repository: exactly the bytes that passed their checks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import process
from imageyard.builders.request import beyond
from imageyard.errors import EnvironmentLacks, NotFound, PolicyRefused
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
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.records import Record
    from imageyard.run.services import Services

__all__ = ["load_exported", "require_whole", "send"]


def require_whole(services: Services, facts: RowFacts) -> None:
    """Raise EnvironmentLacks where the engine's image store cannot hold all that is declared of the row's image."""
    image = facts.declared
    store = services.engine().image_store
    left_out = beyond(store, image.provenance, sbom=image.sbom, reproducible=image.reproducible)
    if left_out:
        raise EnvironmentLacks(
            f"{image.name} is declared with {', '.join(left_out)}: the engine's classic image store cannot hold that",
            doing=f"publishing {facts.title}",
            hint=(
                '"features": {"containerd-snapshotter": true} in daemon.json, and build it again',
                f"inv build {image.name} --builder remote",
            ),
        )


def load_exported(project: Project, services: Services, facts: RowFacts) -> LoadedImage:
    """Return the image that the engine has under the row's tag, which it got after its checks.

    Raises NotFound without one, PolicyRefused for a foreign one, EnvironmentLacks for one that is less than declared.
    """
    require_whole(services, facts)
    name, row, recipe = _name(project, facts), facts.row, facts.recipe
    image = services.engine().inspect(name)
    if image is None:
        raise NotFound(
            f"the engine has no {name}",
            doing=f"publishing {facts.title}",
            hint=f"inv build {row.name} --arch {row.arch}    (its tag comes with passed checks)",
        )
    inputs = image.labels.get(INPUTS_LABEL)
    if (inputs, image.platform) != (recipe.inputs, recipe.platform):
        raise PolicyRefused(
            f"{name} in the engine is not what its tag says",
            doing=f"publishing {facts.title}",
            detail=(
                f"expected inputs {recipe.inputs} for {recipe.platform}",
                f"found    inputs {inputs} for {image.platform}",
            ),
            hint=f"inv build {row.name} --arch {row.arch} --force",
        )
    return image


def send(
    project: Project, services: Services, facts: RowFacts, target: Reference, record: Record, *, move: bool
) -> Given:
    """Bring a row to `target`: all by digest, then its record, then the tag, unless somebody gave it meanwhile."""
    client, row = services.registry(), facts.row
    rows = services.run.log_of(row.name, row.arch).parent  # a later build sweeps it where we are killed
    with (
        lock_of(services.reporter, target),
        tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH, dir=rows) as folder,
    ):
        if not move and (winner := client.digest_of(target)):
            prove(client, target.with_digest(winner), facts.inputs, RAISE_EPOCH)
            return Given(winner, adopted=True)
        services.reporter.step(f"{facts.title}: pushing {target}")
        archive = Path(folder) / "image.tar"
        _save(services, _name(project, facts), archive)
        image = Compressed(Archive(archive), Path(folder))
        copy(image, RegistryStore(client, target), image.root)
        return land(client, target.with_digest(image.root), target.tag or "", facts.inputs, record, move=move)


def _save(services: Services, name: str, file: Path) -> None:
    engine = services.engine()
    answer = process.run([engine.program, "save", "--output", str(file), name], env=engine.env)
    if answer.code:
        raise EnvironmentLacks(
            f"the engine does not hand over {name}", detail=answer.complaint.splitlines()[:10], hint="inv doctor"
        )


def _name(project: Project, facts: RowFacts) -> str:
    return str(project.repository_of(facts.row).with_tag(facts.tag))
