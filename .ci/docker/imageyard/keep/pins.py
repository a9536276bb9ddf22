"""Pins: references to images of ours that stand in a text, found, judged and moved without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from imageyard.names import ARCHES, Digest, ParsedTag, parse_tag

__all__ = ["CONTENT_TAG", "Current", "Mention", "Standing", "moved", "references_in", "spellings", "standing"]

Standing: TypeAlias = Literal["current", "older", "floating", "canary", "local", "unknown"]
"""`floating`: it moves by itself. `canary`: of a weekly build. `local`: of one machine, at no registry.
`unknown`: of no image that the catalogue has, or a digest that nobody has asked about."""

CONTENT_TAG = "[a-z0-9]-[0-9a-f]{20}"
"""What each content tag has in it, and each tag of a tree, as an extended regular expression of POSIX."""

_DIGEST = "sha256:[0-9a-f]{64}"
_BESIDE = r"(?P<tag>:\w[\w.-]{0,127})?(?P<digest>@" + _DIGEST + r"(?![0-9a-f]))?"
_ARCH = f"(-({'|'.join(ARCHES)}))?"
_TAG = re.compile(
    rf"(?<![\w.-])[a-z0-9][a-z0-9._-]*-([0-9a-f]{{20}}(-local)?|[0-9a-f]{{40}}{_ARCH}|weekly-[0-9]{{8}}{_ARCH})"
    r"(?![\w-])(?!\.\w)"
)
_CANARY = re.compile(rf"(?P<image>.+)-weekly-[0-9]{{8}}{_ARCH}")
_LONE_DIGEST = re.compile(rf"\b{_DIGEST}(?![0-9a-f])")


@dataclass(frozen=True)
class Mention:
    """A reference in a text: where it begins and ends, counted in characters, and its line, counted from 1.

    `repository` is `HOST/REPOSITORY`, empty where a tag or a digest stands alone; `spelled` is as it was written.
    """

    start: int
    end: int
    line: int
    repository: str
    spelled: str
    tag: str | None
    digest: Digest | None
    text: str

    def renewed(self, tag: str, digest: Digest | None) -> str:
        """The text of this reference with another tag, and another digest, in the parts that it has."""
        if not self.repository:
            return tag
        named = f":{tag}" if self.tag else ""
        return f"{self.spelled}{named}{f'@{digest}' if self.digest and digest else ''}"


@dataclass(frozen=True)
class Current:
    """The tags that an image has now: of the whole, and of each row by its platform."""

    whole: str
    rows: Mapping[str, str]

    def of(self, platforms: Sequence[str]) -> str | None:
        """The tag of what has these platforms: the whole, or one row; None where it is neither."""
        if set(platforms) == set(self.rows):
            return self.whole
        return self.rows.get(platforms[0]) if len(platforms) == 1 else None


def spellings(repository: str) -> tuple[str, ...]:
    """The ways to write a repository, `HOST/REPOSITORY`: that of Docker Hub needs no host."""
    host, _, path = repository.partition("/")
    if host != "docker.io":
        return (repository,)
    return (repository, f"index.{repository}", path, *([path.removeprefix("library/")] if "library/" in path else []))


def references_in(text: str, repositories: Iterable[str] = ()) -> tuple[Mention, ...]:
    """Every reference with a tag or a digest to one of these repositories; tags of ours and digests that stand alone.

    They are in the order of the text and do not overlap. What stands alone may be of another repository: who keeps what
    is referred to takes it for one of theirs, who changes it asks whether the tag is.
    """
    of = {spelled: repository for repository in repositories for spelled in spellings(repository)}
    found: list[tuple[int, int, str, str, str | None, str | None]] = []
    if of:
        names = "|".join(map(re.escape, sorted(of, key=len, reverse=True)))
        whole = re.compile(rf"(?<![\w.@-])(?<![^/]/)(?P<name>{names}){_BESIDE}")
        for match in whole.finditer(text):
            tag, digest = match["tag"] and match["tag"][1:], match["digest"] and match["digest"][1:]
            cut = 0 if digest or not tag else len(tag) - len(tag.rstrip(".-"))  # the end of a sentence
            if tag or digest:
                tag = tag and tag[: len(tag) - cut]
                found.append((match.start(), match.end() - cut, of[match["name"]], match["name"], tag, digest))
    taken = [(start, end) for start, end, *_ in found]
    for pattern, is_tag in ((_TAG, True), (_LONE_DIGEST, False)):
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                alone = (match[0], None) if is_tag else (None, match[0])
                found.append((match.start(), match.end(), "", "", *alone))
    mentions = []
    for start, end, repository, spelled, tag, digest in sorted(found):
        line = 1 + text.count("\n", 0, start)
        sha = Digest(digest) if digest else None
        mentions.append(Mention(start, end, line, repository, spelled, tag, sha, text[start:end]))
    return tuple(mentions)


def standing(tag: str, current: Mapping[str, Current]) -> tuple[Standing, str]:
    """How a tag stands to those that images have now, by name, and which image it is of, empty where of none."""
    if tag in current:
        return "floating", tag
    if (match := _CANARY.fullmatch(tag)) and match["image"] in current:
        return "canary", match["image"]
    parsed: ParsedTag | None = parse_tag(tag, current)
    if parsed is None:
        return "unknown", ""
    if parsed.local:
        return "local", parsed.image
    now = current[parsed.image]
    return ("current" if tag in (now.whole, *now.rows.values()) else "older"), parsed.image


def moved(text: str, changes: Iterable[tuple[Mention, str]]) -> str:
    """The text with each of these references replaced; all between them stays as it is."""
    for mention, new in sorted(changes, key=lambda change: change[0].start, reverse=True):
        text = f"{text[: mention.start]}{new}{text[mention.end :]}"
    return text
