"""Pins in the files of a repository: listed, moved to what images are now, and checked for what nothing protects."""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from imageyard import git
from imageyard.errors import PolicyRefused
from imageyard.files import atomic_write
from imageyard.keep.pins import CONTENT_TAG, Current, Mention, Standing, moved, references_in, spellings, standing
from imageyard.keep.retention_facts import tag_matches
from imageyard.keep.retention_policy import policy_of
from imageyard.layout import aligned
from imageyard.names import Absent, Present, Reference, Revoked, State, Unknown, parse_reference, platform_of
from imageyard.publishing.verify_published import unknown
from imageyard.registry.states import states

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client

__all__ = ["Pin", "check", "move", "pins", "rendered"]

Home: TypeAlias = Literal["tracked", "untracked", "submodule"]
"""What a file is to the repository: retention searches those that it tracks, on its kept branches."""


@dataclass(frozen=True)
class Pin:
    """A reference in a file, and how it stands; `state` is what its registry says, `new` the text that it moves to.

    `why` says in words why an older one cannot be moved, `exposed` why retention would not protect it. `unsure`: the
    registry does not say whether what it would move to may be used.
    """

    file: str
    home: Home
    mention: Mention
    standing: Standing
    image: str
    state: State | None = None
    new: str = ""
    why: str = ""
    exposed: str = ""
    unsure: Unknown | None = None


def pins(project: Project, recipes: Recipes, client: Client) -> tuple[Pin, ...]:
    """Every reference to images of the catalogue in the files that git sees, submodules among them, in their order.

    Files that git ignores are of this machine alone and are not searched. A reference by digest alone is current where
    it is the digest that an image has now, else unknown. Raises EnvironmentLacks where git refuses.
    """
    repositories = _repositories(project)
    current = {name: _current(project, recipes, name) for name in project.catalogue.images}
    found = []
    for file, home in _files(project.top, repositories).items():
        for mention in references_in(_text(project.top / file), repositories):
            stands, image = standing(mention.tag, current) if mention.tag else ("unknown", "")
            if mention.repository or (image and mention.tag):
                found.append(Pin(file, home, mention, stands, image))
    trusted = project.repository.name
    asked = {pin.mention: _reference(pin.mention, trusted) for pin in found if pin.standing != "local"}
    targets = {(pin.mention.repository, name) for pin in found if pin.mention.digest for name in current}
    targets |= {(pin.mention.repository, pin.image) for pin in found if pin.standing == "older"}
    renewed = {
        parse_reference(repository or trusted).with_tag(tag)
        for repository, name in targets
        for tag in (current[name].whole, *current[name].rows.values())
        if not tag.endswith("-local")
    }
    told = states(client, [*asked.values(), *renewed])
    return tuple(_judged(project, pin, current, asked.get(pin.mention), told, trusted) for pin in found)


def check(found: Sequence[Pin]) -> None:
    """Raise PolicyRefused for references that retention would not protect, Denied or Transient for what is unknown."""
    for pin in found:
        if isinstance(pin.state, Unknown):
            where = parse_reference(pin.mention.repository) if pin.mention.repository else Reference("", "")
            raise unknown(pin.state, where, f"asking for {pin.mention.text}")
    if exposed := [f"{pin.file}:{pin.mention.line}: {pin.mention.text}: {pin.exposed}" for pin in found if pin.exposed]:
        raise PolicyRefused(
            f"{len(exposed)} references are not protected from retention",
            detail=exposed,
            hint="inv pins --move --yes    (moves what is older), or name the tags in retention.pins of the catalogue",
        )


def move(project: Project, found: Sequence[Pin]) -> None:
    """Write the references that move into their files, each file whole or not at all; those of submodules stay.

    Raises Denied or Transient in the end where the registry does not say whether a new tag may be used: it stays.
    """
    changes: dict[str, list[tuple[Mention, str]]] = {}
    for pin in found:
        if pin.new:
            changes.setdefault(pin.file, []).append((pin.mention, pin.new))
    for file, wanted in changes.items():
        path = project.top / file
        text = moved(_text(path), wanted).encode(errors="surrogateescape")
        atomic_write(path, text, stat.S_IMODE(path.stat().st_mode))
    for pin in found:
        if pin.unsure is not None:
            raise unknown(pin.unsure, Reference("", ""), f"asking what {pin.mention.text} would move to")


def rendered(found: Sequence[Pin], *, as_json: bool) -> object:
    """The references as a table, or as a list of plain values."""
    if as_json:
        return [
            {
                "file": pin.file,
                "line": pin.mention.line,
                "reference": pin.mention.text,
                "image": pin.image,
                "standing": pin.standing,
                "moves_to": pin.new,
                "why": pin.why,
                "exposed": pin.exposed,
            }
            for pin in found
        ]
    if not found:
        return "no file refers to an image of the catalogue"
    cells = [
        (f"{one.file}:{one.mention.line}", one.mention.text, one.standing, f"-> {one.new}" if one.new else one.why)
        for one in found
    ]
    return "\n".join(aligned(("place", "reference", "standing", ""), cells))


def _judged(
    project: Project,
    pin: Pin,
    current: Mapping[str, Current],
    asked: Reference | None,
    told: Mapping[Reference, State],
    trusted: str,
) -> Pin:
    mention, state = pin.mention, told.get(asked) if asked else None
    stands, image, new, why = pin.standing, pin.image, "", ""
    now: State | None = None
    if mention.tag is None:
        renewed = {r: s for r, s in told.items() if r.tag and r.name == mention.repository and isinstance(s, Present)}
        stands = "current" if mention.digest in {one.digest for one in renewed.values()} else stands
    elif stands == "older" or (stands == "current" and mention.digest):
        tag = mention.tag if stands == "current" else _new_tag(current[image], state)
        now = told.get(parse_reference(mention.repository or trusted).with_tag(tag)) if tag else None
        if tag is None:
            why = "which of its architectures it is of cannot be told"
        elif tag.endswith("-local"):
            why = "its tag is of this machine alone: inv lock"
        elif isinstance(now, Revoked):
            why = f"{tag} must not be used: {now.why}"
        elif isinstance(now, Unknown):
            why = f"the registry does not say whether {tag} may be used"
        elif mention.digest and not isinstance(now, Present):
            why = f"{tag} is not there yet"
        else:
            new = mention.renewed(tag, now.digest if isinstance(now, Present) else None)
            new, stands = ("", stands) if new == mention.text else (new, "older")
        if pin.home == "submodule" and new:
            new, why = "", "it is in a submodule"
    exposed = _exposed(project, pin, stands, state)
    unsure = now if isinstance(now, Unknown) else None
    return Pin(pin.file, pin.home, mention, stands, image, state, new, why, exposed, unsure)


def _new_tag(now: Current, state: State | None) -> str | None:
    if len(now.rows) == 1:
        return now.whole
    return now.of(state.platforms) if isinstance(state, Present) else None


def _exposed(project: Project, pin: Pin, stands: Standing, state: State | None) -> str:
    """Why retention would not protect a reference, empty where it would."""
    registry, pinned = project.catalogue.registry, policy_of(project.catalogue, "trusted").pins
    if pin.standing == "local":
        return "such a tag is at no registry"
    if pin.mention.tag and not isinstance(state, Absent) and any(tag_matches(one, pin.mention.tag) for one in pinned):
        return ""
    if registry and registry.branch != registry.trusted and pin.mention.repository == registry.branch:
        return "what is in the branch repository is not kept"
    if stands == "current":
        return ""
    if isinstance(state, Absent):
        return "it is not there any more"
    if pin.home != "tracked":
        return f"its file is {'of a submodule' if pin.home == 'submodule' else 'not tracked'}, and not searched"
    return ""


def _current(project: Project, recipes: Recipes, name: str) -> Current:
    rows = project.rows(name)
    whole = recipes.index_tag(project.catalogue.images[name])
    return Current(whole, {platform_of(row.arch): recipes.tag(row) for row in rows})


def _reference(mention: Mention, trusted: str) -> Reference:
    repository = parse_reference(mention.repository or trusted)
    return repository.with_digest(mention.digest) if mention.digest else repository.with_tag(mention.tag or "")


def _repositories(project: Project) -> tuple[str, ...]:
    registry = project.catalogue.registry
    named = (*((registry.trusted, registry.branch) if registry else ()), *project.catalogue.mirrors)
    return tuple(dict.fromkeys(parse_reference(one).name for one in named))


def _files(top: Path, repositories: Collection[str]) -> dict[str, Home]:
    """The text files that hold a repository's name or a content tag, as git finds them, links left out."""
    names = [spelled.replace(".", "[.]") for one in repositories for spelled in spellings(one)]
    patterns = [part for name in (*names, CONTENT_TAG, "-weekly-[0-9]{8}") for part in ("-e", name)]
    found: dict[str, Home] = {}
    searches: tuple[tuple[Home, tuple[str, ...]], ...] = (
        ("tracked", ()),
        ("untracked", ("--untracked",)),
        ("submodule", ("--recurse-submodules",)),
    )
    for home, options in searches:
        done = git.ask(top, "grep", "-l", "-z", "-I", "-E", "--full-name", *options, *patterns)
        if done.code > 1:
            raise git.refusal(top, done, "looking for references to images")
        for item in git.items(done.out):
            file = item.decode(errors="surrogateescape")
            if not (top / file).is_symlink():
                found.setdefault(file, home)
    return dict(sorted(found.items()))


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")
