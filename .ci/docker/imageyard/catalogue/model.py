"""What a catalogue says, decoded: images before they meet a file, an engine or a registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from imageyard.catalogue.expectations.base import Expectation
from imageyard.catalogue.expectations.passes import PASSES
from imageyard.names import Arch

__all__ = [
    "BuilderSettings",
    "Catalogue",
    "Check",
    "FactCommand",
    "Image",
    "LaneImages",
    "Provenance",
    "Registry",
    "Row",
    "Runner",
    "Secret",
    "Where",
]

Provenance: TypeAlias = Literal["off", "min", "max"]
_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class Where:
    """A place in the catalogue: line and column count from 1, `path` is `images.debian.names.…`."""

    file: str
    line: int
    column: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Check:
    """A command that is run in the built image, and what must be true of it.

    `when` names args of which one must be set.
    """

    name: str
    run: tuple[str, ...]
    expects: Expectation = PASSES
    when: tuple[str, ...] = ()
    where: Where | None = field(default=None, compare=False)


@dataclass(frozen=True)
class FactCommand:
    """A command that is run in the built image, and whose output is kept in the row's record.

    `when` names args of which one must be set.
    """

    name: str
    run: tuple[str, ...]
    when: tuple[str, ...] = ()
    where: Where | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Secret:
    """A BuildKit secret. `source` is `env:NAME` or `file:PATH`; its value is never part of a recipe."""

    id: str
    source: str
    required: bool = True


@dataclass(frozen=True)
class Runner:
    """The machine of a CI system that a row's job is for: one that has all `labels`, of `group` where one is named."""

    labels: tuple[str, ...] = ()
    group: str | None = None

    @property
    def plain(self) -> str | list[str] | dict[str, object]:
        """The runner as a workflow names it in `runs-on`: a label, a list of labels, or `{group, labels}`.

        (docs.github.com, "Workflow syntax for GitHub Actions", `jobs.<job_id>.runs-on`.)
        """
        if self.group is not None:
            return {"group": self.group, **({"labels": list(self.labels)} if self.labels else {})}
        return self.labels[0] if len(self.labels) == 1 else list(self.labels)


@dataclass(frozen=True)
class Image:
    """An entry of the catalogue after expansion, its fields merged; `per_arch` is applied by `Row`.

    What `Catalogue.images` holds is the image as its first architecture has it: ask rows for args and checks.
    """

    name: str
    family: str
    words: tuple[str, ...]
    dockerfile: str  # relative to the context, POSIX; from the repository's top where it begins with a slash
    context: str  # relative to the catalogue's folder, POSIX, "." being that folder; or from the top, as above
    target: str | None
    arches: tuple[Arch, ...]
    args: Mapping[str, str]  # without parents' `image:`; see `parents`
    parents: Mapping[str, str]  # arg name -> image name, from `image:NAME`
    checks: tuple[Check, ...]  # those that apply, placeholders filled; parents' checks are not in here
    facts: tuple[FactCommand, ...]  # likewise
    tags: tuple[str, ...]  # Nox tags beside family and arch
    secrets: tuple[Secret, ...]
    contexts: Mapping[str, str]  # build context name -> directory, or image reference
    files: Mapping[str, str]  # path in the context -> `/PATH` from the repository's top
    arg_files: Mapping[str, str]  # arg name -> the file that it is read from, `PATH` from the top
    timeout: float  # seconds
    runner: Runner | None
    provenance: Provenance
    sbom: bool
    reproducible: bool
    unpinned_allowed: bool
    remote_checks: bool
    attempts: int
    epoch: str
    lane: str | None
    where: Where = field(compare=False)
    where_of: Callable[[str], Where | None] = field(
        default=lambda arg: None, compare=False, repr=False
    )  # an arg is set


@dataclass(frozen=True)
class Row:
    """One image for one architecture: a Nox parametrization, a CI job. `image` has `per_arch` applied."""

    image: Image
    arch: Arch

    @property
    def name(self) -> str:
        """The image's name; the architecture is `arch`."""
        return self.image.name

    @property
    def args(self) -> Mapping[str, str]:
        """The build args of this architecture, without the parents' ones."""
        return self.image.args


@dataclass(frozen=True)
class LaneImages:
    """Where images of a lane go: repositories of images and of layer caches, and the ARN of the role that pushes."""

    name: str
    images: str
    cache: str
    role: str
    region: str
    where: Where


@dataclass(frozen=True)
class Registry:
    """Repositories by trust, `HOST/REPOSITORY`; one for both where the catalogue names one."""

    trusted: str
    branch: str


@dataclass(frozen=True)
class BuilderSettings:
    """The settings of the builders that a catalogue names, by the builder's name."""

    sections: Mapping[str, object] = field(default_factory=dict)

    def of(self, kind: type[_Settings]) -> _Settings | None:
        """Return the settings of one builder; None where the catalogue does not name it."""
        return next((settings for settings in self.sections.values() if isinstance(settings, kind)), None)


@dataclass(frozen=True)
class Catalogue:
    """A whole `images.yml`. `folder` is where it lies, relative to the repository's top; `file` is its path as read."""

    file: str
    folder: str
    prefix: str
    registry: Registry | None
    mirrors: tuple[str, ...]
    tag: Literal["content", "tree"]
    builders: BuilderSettings
    protected: tuple[str, ...]  # branch patterns
    settings: Mapping[str, object]  # cache, ecr, ghcr, retention, backup, page: validated, for the floors above
    images: Mapping[str, Image]  # by name, in catalogue order; each as its first architecture has it
    rows: tuple[Row, ...]  # parents first, else catalogue order
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the words of each axis, braces expanded
    mentioned: frozenset[str] = frozenset()  # names in placeholders, and those that checks ask for
    lanes: Mapping[str, LaneImages] = field(default_factory=dict)  # those that images are of, by name
    lane: str | None = None  # whose rows these are, with what they start from; None where they are of no lane
    main: Registry | None = None  # in a lane: where images of no lane are published
    elsewhere: Mapping[str, str | None] = field(default_factory=dict)  # images that are left out -> their lane

    @property
    def own_images(self) -> tuple[str, ...]:
        """The images that runs of this lane, or of none, build and publish; the others are only started from."""
        return tuple(name for name, image in self.images.items() if image.lane == self.lane)

    @property
    def lanes_elsewhere(self) -> Mapping[str, int]:
        """How many images of each lane are left out."""
        lanes = [lane for lane in self.elsewhere.values() if lane is not None]
        return {lane: lanes.count(lane) for lane in dict.fromkeys(lanes)}
