"""What is kept of each row of a run: plain values, in and out of JSON, the table of them, and the run's exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from imageyard.errors import ConfigurationError, ImageyardError, exit_code
from imageyard.layout import duration, one_line, size

__all__ = [
    "HEADERS",
    "WELL",
    "ExitCode",
    "Finding",
    "Record",
    "RowOutcome",
    "from_json",
    "gravest",
    "headers",
    "is_exit_code",
    "is_seconds",
    "strict_json",
    "table",
    "to_json",
    "worst",
]

VERSION = 3
"""The version of the form below; one that reads it refuses any later one."""
_ADDED = {2: ("builder", "digest", "attempts", "remarks"), 3: ("facts", "layers")}
"""The fields that earlier versions lack; their defaults are what was always so then."""

RowOutcome: TypeAlias = Literal[
    "built", "published", "skipped", "failed", "check failed", "refused", "blocked", "interrupted"
]
"""`refused`: it could be done and must not be; `blocked`: what it needs failed, or its state is unknown."""


ExitCode: TypeAlias = int
"""What a process can end with: 0 to 255."""

WELL: tuple[RowOutcome, ...] = ("built", "published", "skipped")
"""The outcomes of rows that ended with 0, and of no others."""


@dataclass(frozen=True)
class Finding:
    """What a check found. `expected` and `actual` are words; `why` adds what they leave open; `output` is the tail."""

    check: str
    ok: bool
    expected: str
    actual: str
    why: str = ""
    output: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """`gcc: expected 12, found 13`."""
        return f"{self.check}: expected {self.expected}, found {self.actual}"


@dataclass(frozen=True)
class Record:
    """One row of one run. Times are UTC in ISO 8601, `seconds` wall clock, `size` bytes, `log` relative to the run.

    `builder` is who built it or was to (local, remote, depot), `digest` that of its image at a registry, which its tag
    names only where all is well, `attempts` how often the build was run, `remarks` what its reader should know beside
    the outcome. `facts` are sorted lines by the name of the fact, `layers` the sizes of the layers as a registry has
    them, compressed, in bytes, lowest first; empty where no registry has the image.
    """

    image: str
    arch: str
    outcome: RowOutcome
    code: ExitCode
    headline: str
    started: str
    recipe: str | None = None
    tag: str | None = None
    why: str = ""
    ended: str | None = None
    seconds: float | None = None
    steps: int | None = None
    cached: int | None = None
    size: int | None = None
    findings: tuple[Finding, ...] = ()
    commit: str | None = None
    dirty: bool = False
    forced: bool = False
    adopted: bool = False
    log: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    builder: str = "local"
    digest: str | None = None
    attempts: int = 1
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layers: tuple[int, ...] = ()

    @property
    def row(self) -> str:
        """`IMAGE ARCH`."""
        return f"{self.image} {self.arch}"


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain data, its version first and its fields in the order of the class."""
    return {"version": VERSION} | asdict(record)


def from_json(data: str | bytes | Mapping[str, Any], name: str = "record") -> Record:
    """Read a record back; `name` is what to call it in an error.

    Raises ConfigurationError where it is no JSON, of another version, or has a field too many, too few or mistyped.
    """
    read = strict_json(data, name) if isinstance(data, (str, bytes)) else data
    if not isinstance(read, Mapping):
        raise ConfigurationError(f"{name} is not a map")
    version = read.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ConfigurationError(
            f"{name} has version {version!r}, this Imageyard reads {VERSION}",
            hint="read it with the Imageyard that wrote it, or remove it",
        )
    absent = {key for later, keys in _ADDED.items() if later > version for key in keys}
    found = {key: value for key, value in read.items() if key != "version"}
    return Record(**_fields(Record, found, name, absent))


def strict_json(data: str | bytes, name: str) -> object:
    """Read JSON as RFC 8259 has it, without NaN and Infinity; `name` is what to call it in an error.

    Raises ConfigurationError where it is none, or nested deeper than Python reads.
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # a JSON file may be nested deeper than Python reads
        raise ConfigurationError(f"{name} is not JSON: {error}") from None


def is_exit_code(value: object) -> bool:
    """Whether a value is one that a process can end with (POSIX, exit(): 8 bits); 256 would be 0."""
    return type(value) is int and 0 <= value <= 255


def is_seconds(value: object) -> bool:
    """Whether a value is a duration in seconds: not negative, and at most ten years."""
    return type(value) in (int, float) and 0 <= value <= 315_360_000  # type: ignore[operator]


def headers(records: Iterable[Record]) -> tuple[str, ...]:
    """The heads of the table: HEADERS, and `digest` where a row has one."""
    return (*HEADERS, "digest") if any(record.digest for record in records) else HEADERS


def table(records: Iterable[Record], longest: int = 1000) -> list[list[str]]:
    """The rows of the table under `headers`, in the order of the records; of a digest, so much that it can be found.

    `longest` is how many characters of an error are shown; the record has it whole.
    """
    records = list(records)
    rows = [
        [
            record.image,
            record.arch,
            (record.tag or "-") if record.code == 0 else "-",
            _why(record, longest),
            "-" if record.steps is None else f"{record.cached or 0}/{record.steps}",
            "-" if record.seconds is None else duration(record.seconds),
            "-" if record.size is None else size(record.size),
            (record.digest or "-").removeprefix("sha256:")[:_SHOWN],
        ]
        for record in records
    ]
    return [row[: len(headers(records))] for row in rows]


HEADERS = ("image", "arch", "tag", "why", "cached", "time", "size")

_SHOWN = 12
"""Hex digits of a digest."""

_SEVERITY = (0, 3, 9, 7, 8, 4, 6, 5, 10, 2, 143, 130)
"""From what may pass by itself when it is tried again, over what the surroundings lack and what is wrong with an image,
to what is wrong with the request; an interrupt says that the rest was not even tried."""


def worst(codes: Iterable[int]) -> int:
    """The exit code of a run with these rows; a code that nobody planned is the worst, no row at all is 0."""
    return max(codes, key=_severity, default=0)


def gravest(errors: Iterable[ImageyardError]) -> ImageyardError | None:
    """The first of the errors with whose exit code a run ends that has them all; None where there is none."""
    return max(errors, key=lambda error: _severity(exit_code(error)), default=None)


def _severity(code: int) -> int:
    return _SEVERITY.index(code) if code in _SEVERITY else len(_SEVERITY)


def _why(record: Record, longest: int) -> str:
    if record.code:
        return one_line(f"[{record.code}] {record.headline}", longest)
    outcome = f"{record.outcome}, adopted" if record.adopted else record.outcome
    again = [f"attempt {record.attempts}"] if record.attempts > 1 else []
    return "; ".join([f"{outcome}: {record.why}" if record.why else outcome, *again, *record.remarks])


def _fields(
    cls: type[Record] | type[Finding], data: Mapping[str, Any], name: str, absent: Collection[str] = ()
) -> dict[str, Any]:
    """The values for the fields of `cls`, every one of them of its type, and there unless it is `absent` by right."""
    known = {f.name: str(f.type) for f in fields(cls)}
    if unknown := sorted(data.keys() - known.keys()):
        raise ConfigurationError(f"{name} has an unknown field {unknown[0]!r}")
    if missing := sorted(known.keys() - data.keys() - set(absent)):
        raise ConfigurationError(f"{name} lacks the field {missing[0]!r}")
    return {key: _decoded(known[key], data[key], f"{name}: {key}") for key in known if key in data}


def _decoded(kind: str, value: Any, name: str) -> Any:
    if not _ACCEPTS[kind](value):
        raise ConfigurationError(f"{name} is {value!r}, not {kind}")
    match kind:
        case "tuple[str, ...]" | "tuple[int, ...]":
            return tuple(value)
        case "Mapping[str, tuple[str, ...]]":
            return {key: tuple(lines) for key, lines in value.items()}
        case "tuple[Finding, ...]":
            return tuple(Finding(**_fields(Finding, found, f"{name}: {n}")) for n, found in enumerate(value))
        case _:
            return value


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds  # exactly: True is an int to isinstance


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63  # a size in bytes is the largest


def _every(kind: type, values: Iterable[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and _every(str, value)


_NONE = type(None)
_ACCEPTS: Mapping[str, Callable[[Any], bool]] = {
    "str": _is(str),
    "str | None": _is(str, _NONE),
    "bool": _is(bool),
    "ExitCode": is_exit_code,
    "int": _is_count,
    "int | None": lambda value: value is None or _is_count(value),
    "float | None": lambda value: value is None or is_seconds(value),
    "RowOutcome": lambda value: value in get_args(RowOutcome),
    "tuple[str, ...]": _are_texts,
    "tuple[int, ...]": lambda value: isinstance(value, (list, tuple)) and all(map(_is_count, value)),
    "tuple[Finding, ...]": lambda value: isinstance(value, (list, tuple)) and _every(dict, value),
    "Mapping[str, str]": lambda value: isinstance(value, dict) and _every(str, [*value, *value.values()]),
    "Mapping[str, tuple[str, ...]]": lambda value: (
        isinstance(value, dict) and _every(str, value) and all(map(_are_texts, value.values()))
    ),
}
