"""YAML read as text: every scalar is a string with its position; what YAML adds to that is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from imageyard.catalogue.model import Where
from imageyard.catalogue.nodes import Document, Map, Seq, Text, error_at
from imageyard.errors import ConfigurationError

__all__ = ["SIZE_LIMIT", "load", "parse"]

SIZE_LIMIT = 1 << 20
"""Bytes. A catalogue of ten thousand names is half of it; anything larger is not a catalogue."""
_DEPTH_LIMIT = 20
_KEY_LIMIT = 1024  # YAML 1.2.2, section 7.4.2: an implicit key is limited to 1024 characters
# YAML 1.2.2, section 5.1: what a stream cannot hold. Named by what is refused: the other way takes 4 ms to compile.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")


_ABSENT = "write one with: inv init, or name another with: --catalogue FILE"


def load(path: Path, file: str | None = None, *, begin: str = "images:", absent: str = _ABSENT) -> Map:
    """Read a catalogue's text; `file` is how errors name it (the path, if None).

    `begin` is the key that such a file begins with, and `absent` what to type where there is none, for errors.
    Raises ConfigurationError for what cannot be read or is not plain YAML.
    """
    file = str(path) if file is None else file
    try:
        with path.open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise ConfigurationError("there is no catalogue here", at=file, hint=absent) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"the catalogue cannot be read: {why}", at=file) from None
    return parse(data, file, begin=begin)


def parse(data: bytes | str, file: str = "images.yml", *, pure: bool = False, begin: str = "images:") -> Map:
    """Compose the nodes of one document. `pure` uses PyYAML's own parser where libyaml's is there.

    Raises ConfigurationError with `FILE:LINE:COLUMN` for anything that is not a mapping of plain YAML.
    """
    text = _characters(data, file, begin)
    document = Document(file)
    parser = _parser(text, pure)
    import yaml

    try:
        root = _Composer(document, begin).compose(parser.get_event)
    except yaml.YAMLError as error:
        if not pure and _may_be_deep(text, error):
            _refuse_what_stands_before(error, text, file)
        raise _syntax_error(error, file, text) from None
    except (ValueError, OverflowError) as error:  # PyYAML's own scanner, on escapes beyond Unicode
        raise ConfigurationError(f"not YAML: {error}", at=file) from None
    if not isinstance(root, Map):
        what = "a list" if isinstance(root, Seq) else "text"
        raise error_at(root, f"a catalogue is a map of keys, this is {what}", hint=f"begin with: {begin}")
    document.root = root
    return root


def _may_be_deep(text: str, error: Any) -> bool:
    """Whether what stands before an error of libyaml may be nested deeper than a catalogue is.

    libyaml reads ahead of the events that it gives, and has a limit of its own (1,000 levels, libyaml 0.2.6): its
    error would hide ours, which PyYAML's own parser finds, 20 times as slowly. Brackets in quotes count too.
    """
    mark = getattr(error, "problem_mark", None)
    before = text[: mark.index] if mark is not None else text
    depth = 0
    for bracket in re.findall(r"[\[{\]}]", before):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > _DEPTH_LIMIT:
            return True
    return any(len(run) > _DEPTH_LIMIT for run in re.findall(r"^[ ?-]+", before, re.MULTILINE))


def _refuse_what_stands_before(error: Any, text: str, file: str) -> None:
    """Refuse what stands before an error of libyaml, where libyaml failed before it handed that over.

    Raises ConfigurationError for it. What PyYAML's own parser says against the text is not told: the words for one
    fault must not depend on how deep something before it is.
    """
    import yaml

    mark = getattr(error, "problem_mark", None)
    parser = _parser(text, pure=True)

    def event_before() -> Any:
        event = parser.get_event()
        start = event.start_mark
        if mark is not None and (start.line, start.column) >= (mark.line, mark.column):
            raise error
        return event

    with suppress(yaml.YAMLError, ValueError, OverflowError):
        _Composer(Document(file), "").compose(event_before)


def _characters(data: bytes | str, file: str, begin: str) -> str:
    """The text of a file that is plain UTF-8. CR LF ends a line as LF does."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > SIZE_LIMIT:
        raise ConfigurationError(f"the file is larger than {SIZE_LIMIT:,} bytes: this is not a catalogue", at=file)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigurationError("the file is UTF-16", at=f"{file}:1:1", hint="save it as UTF-8")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ConfigurationError(
            "the file begins with a byte order mark", at=f"{file}:1:1", hint="save it as UTF-8 without BOM"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _position(raw[: error.start].decode("utf-8"), file)
        raise ConfigurationError(
            f"byte 0x{raw[error.start]:02x} is not UTF-8", at=at, hint="save it as UTF-8"
        ) from None
    if match := _FORBIDDEN.search(text):
        at = _position(text[: match.start()], file)
        raise ConfigurationError(f"the character U+{ord(match[0]):04X} cannot stand in a catalogue", at=at)
    if not text.strip():
        raise ConfigurationError("the file is empty", at=file, hint=f"begin with: {begin}")
    return text


def _position(before: str, file: str) -> Where:
    lines = before.replace("\r\n", "\n").split("\n")
    return Where(file, len(lines), len(lines[-1]) + 1)


def _parser(text: str, pure: bool) -> Any:
    import yaml

    if yaml.__with_libyaml__ and not pure:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        return CParser(text)
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class Pure(Reader, Scanner, Parser):
        def __init__(self) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)

    return Pure()


def _syntax_error(error: Any, file: str, text: str) -> ConfigurationError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if mark is None:
        return ConfigurationError(f"not YAML: {problem}", at=file)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    hint = ""
    if "\t" in line or problem.startswith("found character '\\t'"):
        hint = "indent with spaces, not with tabs"
    elif len(line) > _KEY_LIMIT:
        hint = f"YAML's keys have at most {_KEY_LIMIT:,} characters: split a longer pattern up"
    elif re.match(r"[^'\"#:]*\{", line):
        hint = 'a pattern or value that begins with "{" must stand in quotes'
    return ConfigurationError(f"not YAML: {problem}", at=Where(file, mark.line + 1, mark.column + 1), hint=hint)


class _Composer:
    """Builds nodes from parser events: no recursion, so that depth is ours to limit."""

    def __init__(self, document: Document, begin: str) -> None:
        self.document = document
        self.begin = begin
        self.stack: list[Map | Seq] = []
        self.root: Map | Seq | Text | None = None
        self.key: str | None = None  # a key that waits for its value

    def compose(self, get: Callable[[], Any]) -> Map | Seq | Text:
        from yaml import events

        get()  # the start of the stream
        start = get()
        if isinstance(start, events.StreamEndEvent):
            raise ConfigurationError(
                "the file holds only comments", at=self.document.file, hint=f"begin with: {self.begin}"
            )
        if start.version or start.tags:
            raise ConfigurationError("YAML directives are not part of a catalogue", at=f"{self.document.file}:1:1")
        scalar, sequence, mapping = events.ScalarEvent, events.SequenceStartEvent, events.MappingStartEvent
        ends = (events.SequenceEndEvent, events.MappingEndEvent)
        while (kind := type(event := get())) is not events.DocumentEndEvent:
            if kind is scalar:
                self.scalar(event)
            elif kind in ends:
                self.stack.pop()
            elif kind is mapping or kind is sequence:
                self.collection(event, Map if kind is mapping else Seq)
            else:
                raise self.refused(event, "an alias", f"*{event.anchor}")
        if not isinstance(event := get(), events.StreamEndEvent):
            hint = "remove the '---' between them"
            raise ConfigurationError("a second document follows the first", at=self.at(event), hint=hint)
        assert self.root is not None
        return self.root

    def scalar(self, event: Any) -> None:
        if event.anchor or event.tag:
            raise self.refused_extra(event)
        text: str | None = event.value
        mark = event.start_mark
        up = self.stack[-1] if self.stack else None
        if self.key is None and type(up) is Map:
            self.key = self.checked_key(event, up)
            return
        if not event.style:  # plain
            if text in ("", "~"):
                text = None
            elif text in ("null", "Null", "NULL"):
                hint = f'write ~ to remove what stands below, or quote it: "{text}"'
                raise ConfigurationError(f"{text!r} could mean text or nothing", at=self.at(event), hint=hint)
        self.attach(Text(text, mark.line + 1, mark.column + 1, *self.seat(up)), up)

    def collection(self, event: Any, kind: type[Map] | type[Seq]) -> None:
        if event.anchor or event.tag:
            raise self.refused_extra(event)
        up = self.stack[-1] if self.stack else None
        if self.key is None and type(up) is Map:
            hint = 'a pattern that begins with "{" or "[" must stand in quotes'
            raise ConfigurationError("a key must be text", at=self.at(event), hint=hint)
        if len(self.stack) >= _DEPTH_LIMIT:
            raise ConfigurationError(f"nested deeper than {_DEPTH_LIMIT} levels", at=self.at(event))
        node = kind(event.start_mark.line + 1, event.start_mark.column + 1, *self.seat(up))
        self.attach(node, up)
        self.stack.append(node)

    def checked_key(self, event: Any, up: Map) -> str:
        key: str = event.value
        if key == "<<" and not event.style:
            hint = "use defaults, or fields at the family"
            raise ConfigurationError("merge keys are not part of a catalogue", at=self.at(event), hint=hint)
        if key in up.items:
            line, column = up.keys[key]
            hint = f"it is at {line}:{column} already: remove one of the two"
            raise error_at(up, f"the key {key[:100]!r} stands twice", at=self.at(event), key=key, hint=hint)
        up.keys[key] = (event.start_mark.line + 1, event.start_mark.column + 1)
        return key

    def seat(self, up: Map | Seq | None) -> tuple[Map | Seq | Document, str | int]:
        if up is None:
            return self.document, ""
        return up, len(up.items) if self.key is None else self.key

    def attach(self, node: Map | Seq | Text, up: Map | Seq | None) -> None:
        if up is None:
            self.root = node
        elif type(up) is Seq:
            up.items.append(node)
        else:
            assert isinstance(up, Map)
            assert self.key is not None
            up.items[self.key] = node
            self.key = None

    def refused_extra(self, event: Any) -> ConfigurationError:
        if event.anchor:
            return self.refused(event, "an anchor", f"&{event.anchor}")
        return self.refused(event, "a tag", event.tag)

    def refused(self, event: Any, what: str, text: str) -> ConfigurationError:
        hint = {"a tag": "remove it: every value is text"}.get(what, "write the value out, or put it into defaults")
        return ConfigurationError(f"{what} ({text[:60]}) is not part of a catalogue", at=self.at(event), hint=hint)

    def at(self, event: Any) -> Where:
        return Where(self.document.file, event.start_mark.line + 1, event.start_mark.column + 1)
