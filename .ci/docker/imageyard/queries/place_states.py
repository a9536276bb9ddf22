"""Which tags are at a place: the engine, by one question, or a registry's repository, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from imageyard.names import Absent, Present, State
from imageyard.registry.states import states

if TYPE_CHECKING:
    from imageyard.project.places import Place
    from imageyard.project.project import Project
    from imageyard.run.services import Services

__all__ = ["states_at"]


def states_at(project: Project, services: Services, place: Place, tags: Iterable[str]) -> Mapping[str, State]:
    """Ask a place for the state of each tag; a registry that refuses or fails makes them Unknown, with its words.

    Raises EnvironmentLacks where the place is the engine and none answers.
    """
    wanted = tuple(dict.fromkeys(tags))
    if place.repository is None:
        names = dict.fromkeys(
            (project.repository.name, *(project.repository_of(row).name for row in project.catalogue.rows))
        )
        found = {tag: digest for name in names for tag, digest in services.engine().tags(name).items()}
        return {tag: Present(found[tag]) if tag in found else Absent() for tag in wanted}
    references = {tag: place.repository.with_tag(tag) for tag in wanted}
    told = states(services.registry(), references.values(), platforms=False)
    return {tag: told[reference] for tag, reference in references.items()}
