"""Wait until somebody else has published an image, and fail at once where nobody will."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.errors import ConfigurationError, PolicyRefused, Transient
from imageyard.plan.decision import LOCAL
from imageyard.plan.plan import RowKey
from imageyard.queries.plan import Before
from imageyard.queries.resolve import judged, target_of
from imageyard.registry.states import state

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.plan.decision import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["seconds", "wait"]

_FIRST, _FACTOR, _LONGEST = 1.0, 1.5, 30.0
"""Seconds between two looks: the first pause, its growth, and the most."""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """The seconds that `90`, `90s`, `30m` or `2h` stand for. Raises ConfigurationError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})([smh]?)", text)
    if not match:
        raise ConfigurationError(f"not a time: {text!r}", hint="for example: 90s, 30m, 2h")
    return float(int(match[1]) * _UNITS[match[2]])


def wait(
    project: Project,
    recipes: Recipes,
    services: Services,
    image: str,
    arch: str | None,
    at: Sequence[str],
    decision: Decision = LOCAL,
    *,
    timeout: float,
    expect: str | None = None,
    since: str | None = None,
) -> str:
    """`REPOSITORY@sha256:...` once the image is there, looked for with growing pauses for at most `timeout` seconds.

    `at`: the places that are looked at; the first one that has it counts. A weekly build waits for the canary of its
    day. Fails at once where waiting cannot help: ConfigurationError for an image that the catalogue does not have,
    PolicyRefused for a revoked image and for a tag that is never published or other than `expect` (whoever publishes
    has other inputs), Denied where the registry refuses us, NotFound where the decision says that nobody publishes it.
    What did not change since `since`, a revision of a branch that others publish, is waited for all the same. A
    registry that does not answer is asked again, like one that does not have it yet. Past `timeout`: NotFound, or
    Transient with the registry's last words.
    """
    targets = [target_of(project, recipes, image, arch, one, decision) for one in at]
    target = targets[0]
    if expect not in (None, target.reference.tag):
        raise PolicyRefused(
            f"the tag is {target.reference.tag}, not {expect}: what is published is made of other inputs",
            doing=f"waiting for {image}",
            hint=f"check out the commit that {expect} is made from, or leave --expect out",
        )
    client = services.registry()
    clock = client.http.clock
    deadline = clock.monotonic() + timeout
    pause, told = _FIRST, ""
    while True:
        error: errors.ImageyardError
        try:
            for one in targets:
                if found := judged(one, state(client, one.reference)):
                    return found
            missing = f"{' nor '.join(str(one.reference) for one in targets)} is not there"
            if decision.is_published_by_nobody and (since is None or _differs(project, recipes, image, arch, since)):
                raise _in_vain(missing, project.rows(image, arch)[0], decision)
            error = errors.NotFound(missing, doing=_doing(image, timeout), hint=target.commands)
        except Transient as unknown:
            error = Transient(unknown.headline, doing=_doing(image, timeout), hint="run it again")
        left = deadline - clock.monotonic()
        if left <= 0:
            raise error
        if told != error.headline:
            told = error.headline
            services.reporter.step(f"{told}; waiting")
        clock.sleep(min(pause, left))
        pause = min(pause * _FACTOR, _LONGEST)


def _differs(project: Project, recipes: Recipes, image: str, arch: str | None, since: str) -> bool:
    """Whether an image is other than it was at a revision."""
    before = Before.at(project, since)
    rows = project.rows(image, arch)
    return any(before.changed(RowKey(row.name, row.arch), recipes.of(row)).words for row in rows)


def _in_vain(missing: str, row: Row, decision: Decision) -> errors.NotFound:
    return errors.NotFound(
        f"{missing}, and nobody publishes it: {decision.reason}",
        doing=f"waiting for {row.name}",
        hint=(
            f"nox -s \"build_image(arch='{row.arch}', image='{row.name}')\"    (builds it in this job)",
            "or run it again once a run that may publish has built it: inv ci.decide says what a run may do",
        ),
    )


def _doing(image: str, timeout: float) -> str:
    return f"waiting for {image} for {timeout:.0f} s"
