"""What a build of a Dockerfile reads for given arguments: files, images, declared arguments.

Modelled on BuildKit 0.25, frontend/dockerfile/dockerfile2llb (convert.go, convert_copy.go, convert_runmount.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from imageyard.recipe.dockerfile.canonical import Instructions, instructions
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.flags import mount
from imageyard.recipe.dockerfile.instructions import Arg, Copy, Env, Expanded, Instruction, Onbuild, RunInstruction
from imageyard.recipe.dockerfile.reach import Linked, link, reached, target_of
from imageyard.recipe.dockerfile.references import familiar, remote
from imageyard.recipe.dockerfile.scope import Globals, globals_of, substitution
from imageyard.recipe.dockerfile.stages import Bases, Dockerfile, Inherited
from imageyard.recipe.dockerfile.undecided import decided_part, substitution_over

__all__ = ["FileUse", "ImageUse", "Reading", "evaluate"]

_OCTAL = re.compile(r"0*[0-7]{1,4}")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class FileUse:
    """A path that an instruction reads from the build context, or from the named one."""

    line: int
    path: str  # as BuildKit gets it, after substitution
    wildcards: bool  # COPY and ADD know them, mounts do not
    exclude: tuple[str, ...] = ()
    parents: bool = False
    context: str = ""


@dataclass(frozen=True)
class ImageUse:
    """A name that has to be bound to an image; `platform` is empty where it is the row's own."""

    line: int
    name: str
    platform: str = ""


@dataclass(frozen=True)
class Reading:
    """All that decides what a build of the Dockerfile makes."""

    instructions: Instructions
    files: tuple[FileUse, ...]
    images: tuple[ImageUse, ...]
    declared: frozenset[str]  # arguments that, when given, are looked up on the way to the image
    reaching: frozenset[str]  # of these, all but those that only choose which image a FROM names
    unpinned: tuple[str, ...]  # words: what may change under the same recipe
    stages: tuple[str, ...]  # names of all stages of the file
    leaves: Inherited  # to what is built from the image
    bases: tuple[ImageUse, ...] = ()  # of the images, those that stages start from


def evaluate(
    dockerfile: Dockerfile,
    *,
    args: Mapping[str, str],
    platform: str,
    target: str | None = None,
    contexts: Collection[str] = (),
    bases: Bases = lambda image, platform: Inherited(),
    builder: str | None = None,
) -> Reading:
    """Follow a Dockerfile from its target as BuildKit does.

    `args` are the given build arguments, `contexts` the names of contexts that are given beside the main one, `bases`
    says what images leave that stages start from, `builder` the platform of the machine that builds: that of the image,
    unless told. A path that hangs on what such an image sets and does not say is marked (`undecided.py`).
    Raises ConfigurationError with `FILE:LINE` for what BuildKit would refuse.
    """
    contexts = frozenset(map(familiar, contexts))
    scope = globals_of(dockerfile, args, platform, target or dockerfile.stages[-1].origin.name, builder or platform)
    linked = link(dockerfile, scope, contexts)
    walk = _Walk(dockerfile, scope, args, contexts, bases)
    last = target_of(dockerfile, linked, target)
    needed = reached(dockerfile, linked, last, walk.bases)
    for stage in needed:
        walk.stage(stage)
    own = [each.trigger for each in linked[last].instructions if isinstance(each, Onbuild)]
    return Reading(
        instructions(dockerfile, needed, scope, args),
        tuple(dict.fromkeys(walk.files)),
        tuple(dict.fromkeys(walk.images)),
        frozenset(walk.declared | walk.choosing),
        frozenset(walk.declared),
        tuple(dict.fromkeys(walk.unpinned)),
        tuple(stage.name for stage in linked if stage.name),
        Inherited(walk.kept[last], tuple(own), walk.unknown[last]),
        tuple(dict.fromkeys(walk.started_from)),
    )


class _Walk:
    def __init__(
        self,
        dockerfile: Dockerfile,
        scope: Globals,
        args: Mapping[str, str],
        contexts: Collection[str],
        bases: Bases,
    ) -> None:
        self.dockerfile = dockerfile
        self.scope = scope
        self.args = args
        self.contexts = contexts
        self.bases = bases
        self.files: list[FileUse] = []
        self.images: list[ImageUse] = []
        self.declared: set[str] = set()
        self.choosing: set[str] = set()
        self.unpinned: list[str] = []
        self.environments: dict[int, dict[str, str]] = {}
        self.kept: dict[int, dict[str, str]] = {}  # of these, what ENV set: arguments are gone with the build
        self.unknown: dict[int, tuple[str, ...]] = {}  # bases that may have set more
        self.started_from: list[ImageUse] = []

    def stage(self, stage: Linked) -> None:
        for name in stage.seen:
            into = self.declared if name in stage.platform_names else self.choosing
            into |= self.scope.decided_by.get(name, frozenset())
        line = stage.line
        try:
            if stage.image:
                self._origin(stage.image, line, FileUse(line, "/", wildcards=False), stage.platform)
            environment, self.kept[stage.index] = self._begin(stage)
            self.environments[stage.index] = environment
            for instruction in stage.instructions:
                line = instruction.line
                self._instruction(instruction, stage, environment)
        except Fault as fault:
            raise fault.at(self.dockerfile.file, line) from None

    def _begin(self, stage: Linked) -> tuple[dict[str, str], dict[str, str]]:
        """The environment that a stage begins with, and that part of it which its image keeps."""
        self.unknown[stage.index] = ()
        if stage.base is not None:
            self.unknown[stage.index] = self.unknown[stage.base]
            return dict(self.environments[stage.base]), dict(self.kept[stage.base])
        if not stage.image:
            return {"PATH": _DEFAULT_PATH}, {}
        self.started_from.append(ImageUse(stage.line, stage.image, stage.platform))
        inherited = self.bases(stage.image, stage.platform)
        self.unknown[stage.index] = inherited.unknown
        path = {} if inherited.unknown else {"PATH": _DEFAULT_PATH}
        return {**path, **inherited.environment}, dict(inherited.environment)

    def _instruction(self, instruction: Instruction, stage: Linked, environment: dict[str, str]) -> None:
        substitute = substitution(environment, self.dockerfile.escape)
        if unknown := self.unknown[stage.index]:
            substitute = substitution_over(unknown, environment, self.dockerfile.escape)
        match instruction:
            case Arg():
                self._arg(instruction, environment, substitute)
            case Env():
                pairs = [(substitute(name), substitute(value)) for name, value in instruction.pairs]
                environment.update(pairs)
                self.kept[stage.index].update(pairs)
            case Copy():
                self._copy(instruction, stage, substitute)
            case RunInstruction():
                self._run(instruction, stage, substitute)
            case Expanded():
                for word in instruction.words:
                    substitute(word)
            case _:
                pass

    def _arg(self, instruction: Arg, environment: dict[str, str], substitute: Callable[[str], str]) -> None:
        for name, default in instruction.pairs:
            self.declared.add(name)
            if name in self.args:
                environment[name] = self.args[name]
            elif default is not None:
                environment[name] = substitute(default)
            elif name in self.scope.values:
                environment[name] = self.scope.values[name]
                self.declared |= self.scope.decided_by[name]

    def _copy(self, instruction: Copy, stage: Linked, substitute: Callable[[str], str]) -> None:
        for word in instruction.rest:
            substitute(word)
        chmod = substitute(instruction.chmod)
        if chmod.isdecimal() and not _OCTAL.fullmatch(chmod):
            raise Fault(f"--chmod={chmod[:20]} is no mode", "write it in octal, 0 to 7777")
        checksum = substitute(instruction.checksum)
        keyword = "ADD" if instruction.add else "COPY"
        sources = [substitute(source) for source in instruction.sources]
        remotes = [remote(decided_part(source), checksum) for source in sources]
        if checksum and (len(sources) != 1 or not remotes[0]):
            raise Fault("--checksum goes with exactly one source, a URL or a git repository")
        for source, fetched in zip(sources, remotes, strict=True):
            if fetched:
                if not instruction.add:
                    raise Fault(f"COPY cannot fetch {fetched.shown[:100]}", "write ADD")
                if not fetched.pinned:
                    lacks = "full commit" if fetched.kind == "git" else "--checksum"
                    place = f"{self.dockerfile.file}:{instruction.line}"
                    self.unpinned.append(f"{keyword} {fetched.shown} has no {lacks} ({place})")
                continue
            use = FileUse(instruction.line, source, True, instruction.exclude, instruction.parents)
            if not instruction.origin:
                self.files.append(use)
            elif stage.stage_of(instruction.origin, numbers=True) is None:
                self._origin(instruction.origin, instruction.line, use)

    def _run(self, instruction: RunInstruction, stage: Linked, substitute: Callable[[str], str]) -> None:
        for text, written in zip(instruction.mounts, instruction.origins, strict=True):
            found = mount(text, substitute)
            use = FileUse(instruction.line, found.source or "/", wildcards=False)
            if written:
                if stage.stage_of(written, numbers=False) is None:
                    self._origin(written, instruction.line, use)
            elif found.type == "bind":
                self.files.append(use)

    def _origin(self, name: str, line: int, use: FileUse, platform: str = "") -> None:
        """Something outside the file: an image to be bound, or files of a named context."""
        if name == "scratch":
            return
        known = familiar(name)
        self.images.append(ImageUse(line, name, platform))
        if known in self.contexts:
            self.files.append(FileUse(line, use.path, use.wildcards, use.exclude, use.parents, known))
