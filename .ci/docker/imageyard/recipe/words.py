"""What differs between two recipes, and what is in one, in words for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from imageyard.errors import assert_never
from imageyard.recipe import instruction_words
from imageyard.recipe.model import File, Recipe, Source

__all__ = ["changes", "explain", "format_changed"]

_SHOWN = 12  # hex digits of a digest that a person can compare


def changes(old: Recipe, new: Recipe) -> list[str]:
    """What became different, one line each, what weighs most first; an empty list for equal recipes.

    Records of two versions cannot be compared: that is the one thing that is said of them.
    """
    if old.v != new.v:
        return [format_changed(old.v, new.v)]
    return [
        *_scalar("platform", old.platform, new.platform),
        *_scalar("frontend", old.frontend, new.frontend),
        *_scalar("epoch", old.epoch, new.epoch),
        *_scalar("reproducible", _yes(old.reproducible), _yes(new.reproducible)),
        *_sources(old, new),
        *_args(old, new),
        *_each("secret", dict.fromkeys(old.secrets, ""), dict.fromkeys(new.secrets, "")),
        *instruction_words.changes(old.instructions, new.instructions),
        *_text(old, new),
        *_files(old, new),
    ]


def format_changed(old: int, new: int) -> str:
    """What is said of two recipes whose formats differ."""
    return f"the recipe's format: {old} -> {new}, which gives every image another tag"


def _scalar(what: str, old: str | None, new: str | None) -> Iterator[str]:
    if old != new:
        yield f"{what}: {_shown(old)} -> {_shown(new)}"


def _text(old: Recipe, new: Recipe) -> Iterator[str]:
    if old.text != new.text:
        yield "the Dockerfile's text changed, and its frontend may read all of it"


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _args(old: Recipe, new: Recipe) -> Iterator[str]:
    for name in sorted(old.args.keys() | new.args.keys()):
        before, after = old.args.get(name), new.args.get(name)
        if before != after:
            yield f"{name}: {_shown(before)} -> {_shown(after)}{_read_from(new, name)}"


def _read_from(recipe: Recipe, arg: str) -> str:
    return f" (from {recipe.arg_files[arg]})" if arg in recipe.arg_files else ""


def _shown(value: str | None) -> str:
    return "not set" if value is None else value or '""'


def _each(
    what: str,
    old: Mapping[str, object],
    new: Mapping[str, object],
    changed: Callable[[str], Iterator[str]] = lambda name: iter(()),
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{what} {_path(name)} added".lstrip()
        elif name not in new:
            yield f"{what} {_path(name)} removed".lstrip()
        elif old[name] != new[name]:
            yield from changed(name)


def _files(old: Recipe, new: Recipe) -> Iterator[str]:
    before = {file.path: file for file in old.files}
    after = {file.path: file for file in new.files}
    return _each("", before, after, lambda path: _file(before[path], after[path]))


def _file(old: File, new: File) -> Iterator[str]:
    path = _path(new.path)
    if "link" in (old.mode, new.mode) and old.mode != new.mode:
        yield f"{path} became a {'link' if new.mode == 'link' else 'file'}"
        return
    if old.digest != new.digest:
        yield f"{path} points elsewhere" if new.mode == "link" else f"{path} changed"
    if old.mode != new.mode:
        yield f"{path} {'became' if new.mode == 'exec' else 'is no longer'} executable"


def _path(path: str) -> str:
    """A file of a named context as `PATH in the context NAME`."""
    name, slashes, rest = path.partition("//")
    return f"{rest} in the context {name}" if slashes else path


def _sources(old: Recipe, new: Recipe) -> Iterator[str]:
    before = {source.name: source for source in old.sources}
    after = {source.name: source for source in new.sources}
    return _each("source", before, after, lambda name: iter((_source(before[name], after[name]),)))


def _source(old: Source, new: Source) -> str:
    if old.kind == new.kind == "parent":
        return f"parent {new.name} changed"
    if old.kind == new.kind and old.kind in ("locked", "standin"):
        word = "base" if old.kind == "locked" else "stand-in for"
        return f"{word} {new.name} moved ({_short(old.value)} -> {_short(new.value)})"
    return f"source {new.name}: {_bound(old)} -> {_bound(new)}"


def _short(digest: str) -> str:
    algorithm, colon, value = digest.rpartition(":")
    return f"{algorithm}{colon}{value[:_SHOWN]}…"


def _bound(source: Source) -> str:
    match source.kind:
        case "locked":
            return f"locked at {_short(source.value)}"
        case "standin":
            return f"stand-in {_short(source.value)}"
        case "parent":
            return f"parent with recipe {source.value[:_SHOWN]}…"
        case "directory":
            return f"folder {source.value}"
        case "unlocked":
            return "not locked" if source.value == source.name else f"{source.value}, not locked"
        case _:
            return assert_never(source.kind)


def explain(recipe: Recipe) -> str:
    """A recipe as text: what decides the tag, and what stays outside it."""
    lines = [f"recipe {recipe.id} (format {recipe.v})", f"  platform    {recipe.platform}"]
    lines.append(f"  Dockerfile  {recipe.dockerfile}{f', target {recipe.target}' if recipe.target else ''}")
    if recipe.frontend:
        lines.append(f"  frontend    {recipe.frontend}")
    if recipe.epoch:
        lines.append(f"  epoch       {recipe.epoch}")
    if recipe.reproducible:
        lines.append(f"  times       rewritten to {recipe.args.get('SOURCE_DATE_EPOCH')}")
    lines += _block("sources", [f"{source.name}: {_bound(source)}" for source in recipe.sources])
    lines += _block("args", [f"{name}={value}{_read_from(recipe, name)}" for name, value in recipe.args.items()])
    lines += _block("secrets", recipe.secrets)
    marks = {"file": " ", "exec": "x", "link": "l"}
    lines += _block("files", [f"{file.digest[:_SHOWN]} {marks[file.mode]} {_path(file.path)}" for file in recipe.files])
    lines += _block("given and not declared", recipe.unused_args)
    lines += _block("outside the seal", recipe.unpinned)
    lines += _block("bases whose ENV and ONBUILD are not known (inv lock)", recipe.unasked)
    if recipe.local:
        lines.append("  for this machine only: the tag ends in -local")
    return "\n".join(lines)


def _block(title: str, items: tuple[str, ...] | list[str]) -> list[str]:
    return [f"  {title}:", *(f"    {item}" for item in items)] if items else []
