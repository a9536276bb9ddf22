"""What there is and what it is made of, as results: listings, explanations, tags, inputs, differences."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imageyard.catalogue import explain
from imageyard.catalogue.select import select
from imageyard.errors import ConfigurationError
from imageyard.layout import aligned
from imageyard.project.options import refuse_unused
from imageyard.project.recipe_format import format_at
from imageyard.project.recipes import recipes_at
from imageyard.recipe import instruction_words, words
from imageyard.recipe.model import VERSION
from imageyard.repository_paths import is_in

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.project.checkout import Checkout
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes

__all__ = ["against", "contents", "explanation", "inputs", "listing", "paths", "tags"]


def listing(project: Project, pattern: str, arch: str | None, *, as_json: bool) -> object:
    """The images of a pattern with family, architectures and Dockerfile."""
    rows = project.rows(pattern, arch)
    images = {row.name: project.catalogue.images[row.name] for row in rows}
    arches = {name: [row.arch for row in rows if row.name == name] for name in images}
    if as_json:
        return [
            {"image": name, "family": image.family, "arches": arches[name], "dockerfile": image.dockerfile}
            for name, image in images.items()
        ]
    cells = [(name, image.family, " ".join(arches[name]), image.dockerfile) for name, image in images.items()]
    return "\n".join(aligned(("image", "family", "arches", "dockerfile"), cells))


def explanation(checkout: Checkout, image: str, *, as_json: bool) -> object:
    """The sentence that an image's name is."""
    if as_json:
        return explain.explain_data(checkout.file, checkout.top, image)
    return explain.explain(checkout.file, checkout.top, image)


def tags(
    project: Project, recipes: Recipes, pattern: str, arch: str | None, values: Mapping[str, str], *, as_json: bool
) -> object:
    """One tag for an image (its index's where it has several architectures), `IMAGE ARCH TAG` for a pattern."""
    rows = _rows(project, recipes, pattern, arch, values)
    found = [(row, recipes.tag(row)) for row in rows]
    if as_json:
        return [{"image": row.name, "arch": row.arch, "tag": tag} for row, tag in found]
    if pattern not in project.catalogue.images:
        return "\n".join(f"{row.name} {row.arch} {tag}" for row, tag in found)
    return found[0][1] if len(found) == 1 else recipes.index_tag(project.catalogue.images[pattern])


def contents(
    project: Project, recipes: Recipes, pattern: str, arch: str | None, values: Mapping[str, str], *, as_json: bool
) -> object:
    """What the tags are made of."""
    rows = _rows(project, recipes, pattern, arch, values)
    if as_json:
        return [_plain(row, recipes.of(row), recipes.tag(row)) for row in rows]
    return "\n\n".join(f"{row.name} {row.arch}: {recipes.tag(row)}\n{words.explain(recipes.of(row))}" for row in rows)


def against(
    project: Project,
    recipes: Recipes,
    pattern: str,
    rev: str,
    arch: str | None,
    values: Mapping[str, str],
    *,
    as_json: bool,
) -> object:
    """What makes each tag another one than at a revision, in words; images that are gone since then are told too.

    A format of recipes that became another one since then gives every image another tag: that is said once.
    """
    formats = format_at(project, rev), VERSION
    moved = [words.format_changed(formats[0], formats[1])] if formats[0] not in (None, VERSION) else []
    before = recipes_at(project, rev)
    old_rows = {(row.name, row.arch): row for row in before.catalogue.rows}
    gone = [row for row in _gone(project.catalogue, pattern, before.catalogue) if arch in (None, row.arch)]
    found: list[dict[str, Any]] = []
    for row in [] if _only_gone(project, pattern, gone) else _rows(project, recipes, pattern, arch, values):
        old = old_rows.get((row.name, row.arch))
        changes = [f"not in the catalogue at {rev}"] if old is None else words.changes(before.of(old), recipes.of(row))
        told = {"tag": recipes.tag(row), "was": None if old is None else before.tag(old), "changes": changes}
        note = (
            instruction_words.unseen(before.dockerfile(old), recipes.dockerfile(row)) if old and not changes else None
        )
        found.append({"image": row.name, "arch": row.arch, **told, "note": note})
    for row in gone:
        changes = ["not in the catalogue any more"]
        found.append(
            {"image": row.name, "arch": row.arch, "tag": None, "was": before.tag(row), "changes": changes, "note": None}
        )
    if moved:  # what these tags were then, no one can work out now
        found = [one | {"was": None} for one in found]
    if as_json:
        return [one | {"changes": [*moved, *one["changes"]]} for one in found]
    return "\n".join([*moved, *(_difference(one, moved=bool(moved)) for one in found)])


def inputs(
    project: Project, recipes: Recipes, pattern: str, arch: str | None, values: Mapping[str, str], *, as_json: bool
) -> object:
    """The files that rows are made from, relative to the repository's top; those of their parents too."""
    files: dict[str, set[str]] = {}
    for row in _rows(project, recipes, pattern, arch, values):
        mine = files.setdefault(row.name, set())
        for one in _lineage(recipes, row, values):
            mine.update(paths(project, one, recipes.of(one)))
    if as_json:
        return [{"image": name, "files": sorted(paths)} for name, paths in files.items()]
    return "\n".join(sorted(set().union(*files.values())))


def _rows(
    project: Project, recipes: Recipes, pattern: str, arch: str | None, values: Mapping[str, str]
) -> Sequence[Row]:
    rows = project.rows(pattern, arch)
    refuse_unused(recipes, rows, values)
    return rows


def _gone(catalogue: Catalogue, pattern: str, before: Catalogue) -> list[Row]:
    """The rows of an older catalogue that the pattern selects there and that are no longer in this one."""
    try:
        names = set(select(pattern, tuple(before.images), before.axes))
    except ConfigurationError:
        return []
    here = {(row.name, row.arch) for row in catalogue.rows}
    return [row for row in before.rows if row.name in names and (row.name, row.arch) not in here]


def _only_gone(project: Project, pattern: str, gone: Sequence[Row]) -> bool:
    """Whether the pattern names images that were, and none that is."""
    try:
        return not project.rows(pattern)
    except ConfigurationError:
        if not gone:
            raise
        return True


def _lineage(recipes: Recipes, row: Row, values: Mapping[str, str]) -> Sequence[Row]:
    found = [row]
    for parent in recipes.parent_rows(row):
        found += _lineage(recipes, parent, values)
    return found


def paths(project: Project, row: Row, recipe: Recipe) -> list[str]:
    """The Dockerfile of a row, the files of its recipe and those that its args are read from, from the top.

    Files of named contexts and files from elsewhere are named where they are.
    """
    folders = recipe.folders
    found = [project.shown(row, path) for path in recipe.own_files]
    for file in recipe.files:
        name, inside, path = file.path.rpartition("//")
        found.append(project.shown(row, posixpath.join(folders[name], path) if inside else _origin(row, path)))
    found += [path for arg, path in recipe.arg_files.items() if arg in recipe.build_args]
    return list(dict.fromkeys(found))


def _origin(row: Row, path: str) -> str:
    """Where a file of a row's context comes from, which may be elsewhere."""
    for name, where in row.image.files.items():
        if is_in(path, name):
            return f"{where}{path[len(name) :]}"
    return path


def _plain(row: Row, recipe: Recipe, tag: str) -> dict[str, object]:
    record = json.loads(recipe.canonical())
    return {"image": row.name, "arch": row.arch, "tag": tag, "id": recipe.id, "recipe": record} | {
        "inputs": recipe.inputs,
        "unpinned": list(recipe.unpinned),
        "unasked": list(recipe.unasked),
    }


def _difference(found: Mapping[str, Any], *, moved: bool) -> str:
    head, tag = f"{found['image']} {found['arch']}", found["tag"] or "nothing"
    note = f" ({found['note']})" if found.get("note") else ""
    if not found["changes"]:
        return f"{head}: {f'{tag}, and nothing else changed' if moved else f'unchanged, {tag}'}{note}"
    was = "" if moved else f"{found['was'] or 'nothing'} -> "
    return "\n".join([f"{head}: {was}{tag}", *(f"  {change}" for change in found["changes"])])
