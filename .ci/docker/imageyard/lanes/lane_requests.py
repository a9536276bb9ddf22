"""What vendors and the centre ask for, and the one log of what was done: who, when, why, and until when it is told.

A request is an object that its lane creates under its own prefix; the indexer executes it by writing the next entry of
the log, which nothing replaces. What is yanked and what is withdrawn is worked out of the log alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from imageyard.errors import PolicyRefused
from imageyard.lanes.channels import ChannelName
from imageyard.lanes.places import CENTRE
from imageyard.layout import one_line

__all__ = [
    "CHANNELS",
    "MOST_BYTES",
    "PURGE",
    "PURGED",
    "Action",
    "LogEntry",
    "Request",
    "TakenBack",
    "content_of",
    "entry_from",
    "executed",
    "is_date",
    "is_id",
    "plain_text",
    "read_request",
    "shown_name",
    "taken_back",
]

CHANNELS = get_args(ChannelName)
DISCLOSURE = timedelta(days=7)
"""How long after a withdrawal it may stay untold."""

Action: TypeAlias = Literal["yank", "withdraw", "restore"]
PURGE, PURGED = "purge", "purged"
"""The actions of the entries before the first deletion of a purge and after its last; nobody asks for them."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_FILES = 1000
_LONGEST_KEY = 1024  # bytes in UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects")
MOST_BYTES = 256 * 1024
"""How large the object of a request may be; what is larger is refused, and nobody reads it."""


@dataclass(frozen=True)
class Request:
    """A request that can be executed. `disclosure` is a date in ISO 8601, or empty."""

    lane: str
    channel: str
    action: Action
    files: tuple[str, ...]
    reason: str
    by: str
    disclosure: str


@dataclass(frozen=True)
class LogEntry:
    """An entry of the log: the request `id`, `LANE/NAME`, what came of it, and `previous`, the sha256 of the last one.

    `refused` says why nothing was done, and is empty where something was. `disclose_by` is the last day on which a
    withdrawal is told; times are UTC in ISO 8601. `versions` are those that a purge deletes, each `KEY VERSION`.
    """

    number: int
    id: str
    lane: str
    channel: str
    action: str
    files: tuple[str, ...]
    reason: str
    by: str
    when: str
    disclosure: str
    disclose_by: str
    refused: str
    previous: str
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class TakenBack:
    """The files of a channel that were yanked and those that were withdrawn, with the reasons, and those purged.

    What is purged is withdrawn too, and stays so. `disclosures` has the dates, in ISO 8601, before which nobody is told
    why a file was withdrawn; the log has the reason from the beginning.
    """

    yanked: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    purged: frozenset[str] = frozenset()
    disclosures: Mapping[str, str] = field(default_factory=dict)

    def told(self, name: str, today: date) -> str:
        """Why a file was withdrawn, after a colon; nothing before its disclosure. `today` is the date in UTC."""
        return "" if today.isoformat() < self.disclosures.get(name, "") else f": {self.withdrawn[name]}"


def read_request(asker: str, body: bytes) -> Request | str:
    """What a request object asks for; a sentence where it asks for nothing that can be done.

    `asker` is the lane under whose prefix it lies, which it cannot choose: `lane` in it counts for the centre alone.
    """
    if len(body) > MOST_BYTES:
        return f"the request has more than {MOST_BYTES} bytes"
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return "the request is no JSON"
    if not isinstance(said, dict):
        return "the request is no JSON object"
    texts = {key: said.get(key, "") for key in ("action", "channel", "reason", "by", "disclosure", "lane")}
    if not all(isinstance(value, str) for value in texts.values()):
        return "the request has something in it that is no text"
    if texts["action"] not in get_args(Action) or texts["channel"] not in CHANNELS:
        return f"the request says no action of {', '.join(get_args(Action))}, or no channel of {', '.join(CHANNELS)}"
    files = said.get("files")
    if not isinstance(files, list) or not 0 < len(files) <= _MOST_FILES or not all(map(_is_file, files)):
        return f"the request names no files, or more than {_MOST_FILES}"
    if texts["disclosure"] and not is_date(texts["disclosure"]):
        return "the request has a disclosure that is no date"
    reason, by = plain_text(texts["reason"]), plain_text(texts["by"])
    if not reason or not by:
        return "the request does not say why, or by whom"
    lane = texts["lane"] if asker == CENTRE else asker
    return Request(lane, texts["channel"], texts["action"], tuple(files), reason, by, texts["disclosure"])


def executed(
    number: int,
    id: str,
    asked: Request | str,
    known: Collection[str],
    taken: TakenBack,
    now: datetime,
    previous: str,
) -> LogEntry:
    """The entry for a request; `known` are the files that can be taken back, `now` is in UTC.

    The centre alone restores what is withdrawn: it may be the centre that took it back. Nobody restores what is purged.
    """
    asker = id.partition("/")[0]
    request = Request(asker, "", "yank", (), "", "", "") if isinstance(asked, str) else asked
    refused = asked if isinstance(asked, str) else ""
    if missing := [name for name in request.files if name not in known]:
        refused = f"the channel has no file {shown_name(missing[0])}"
    elif request.action == "restore" and not taken.purged.isdisjoint(request.files):
        refused = "a file that is purged does not come back, and no other file gets its name"
    elif request.action == "restore" and asker != CENTRE and not taken.withdrawn.keys().isdisjoint(request.files):
        refused = "the centre alone restores a file that is withdrawn"
    action = "" if isinstance(asked, str) else request.action
    is_withdrawal = action == "withdraw" and not refused
    return LogEntry(
        number,
        id,
        request.lane,
        request.channel,
        action,
        request.files,
        request.reason,
        request.by,
        now.isoformat(timespec="seconds"),
        request.disclosure,
        (now + DISCLOSURE).date().isoformat() if is_withdrawal else "",
        refused,
        previous,
    )


def entry_from(content: Mapping[str, Any], name: str) -> LogEntry:
    """An entry out of its content. Raises PolicyRefused where it is none: somebody wrote there who must not."""
    try:
        versions = tuple(content.get("versions", ()))
        entry = LogEntry(**{**content, "files": tuple(content["files"]), "versions": versions})
    except (TypeError, KeyError):
        raise PolicyRefused(f"{name} is no entry of a log", doing="reading the log of all lanes") from None
    return entry


def content_of(entry: LogEntry) -> Mapping[str, Any]:
    """An entry as plain data."""
    return {**asdict(entry), "files": list(entry.files), "versions": list(entry.versions)}


def taken_back(entries: Iterable[LogEntry], before: TakenBack) -> TakenBack:
    """What is taken back after further entries of one channel, in order; what is purged is not restored."""
    yanked, withdrawn, purged = dict(before.yanked), dict(before.withdrawn), set(before.purged)
    disclosures = dict(before.disclosures)
    for entry in entries:
        for name in () if entry.refused else entry.files:
            match entry.action:
                case "yank":
                    yanked[name] = entry.reason
                case "restore" if name not in purged:
                    yanked.pop(name, None)
                    withdrawn.pop(name, None)
                    disclosures.pop(name, None)
                case "withdraw":
                    withdrawn[name] = entry.reason
                    disclosures[name] = entry.disclosure
                case "purge":
                    withdrawn.setdefault(name, entry.reason)
                    disclosures[name] = entry.disclosure
                    purged.add(name)
                case _:
                    pass  # the end of a purge
    dates = {name: day for name, day in disclosures.items() if day}
    return TakenBack(yanked, withdrawn, frozenset(purged), dates)


def is_id(text: str) -> bool:
    """Whether a name of a request object can be an id."""
    return _ID.fullmatch(text) is not None


def _is_file(name: object) -> bool:
    """Whether it can be the name of a file: that of any object that the bucket lists, whatever letters it has."""
    return isinstance(name, str) and len(name.encode(errors="replace")) <= _LONGEST_KEY


def is_date(text: str) -> bool:
    """Whether a text is a date in ISO 8601."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def shown_name(name: str) -> str:
    """A name as it may stand in a message and in a page: one with letters that cannot be printed has escapes."""
    if name.isprintable():
        return name
    return "".join(
        each if each.isprintable() and each != "\\" else each.encode("unicode_escape").decode() for each in name
    )


def plain_text(text: str) -> str:
    """What may stand in a page and in the log: one line, and nothing that cannot be written."""
    return one_line(text.encode(errors="replace").decode(), 500)
