"""The page of all lanes for people, and the same as JSON: what `inv lane.status` says, at one time.

It has no script and asks nobody for anything: a policy of the page lets it have its own style alone, named by its hash
(W3C, Content Security Policy Level 3, "style-src"). Whatever a vendor named stays text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from html import escape
from urllib.parse import quote

from imageyard.lanes.lane_status import ChannelStatus
from imageyard.lanes.status_table import HEADERS, cells, content_of_status, withdrawal_in_words
from imageyard.layout import visible

__all__ = ["DATA", "HTML", "status_data", "status_html"]

HTML, DATA = "index.html", "status.json"
"""The files of the page, beside each other."""

_STYLE = """\
:root{color-scheme:light dark;--dim:#666;--line:#ddd;--bad:#a00;--good:#060}
@media(prefers-color-scheme:dark){:root{--dim:#aaa;--line:#444;--bad:#f88;--good:#8d8}}
body{font:16px/1.5 system-ui,sans-serif;max-width:90em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3em 1em .3em 0;vertical-align:top;border-bottom:1px solid var(--line)}
td,li{overflow-wrap:anywhere}
.dim{color:var(--dim)}.bad{color:var(--bad);font-weight:bold}.good{color:var(--good)}
@media(max-width:50em){
thead{display:none}
tr{display:block;padding:.7em 0;border-bottom:1px solid var(--line)}
td{display:block;border:0;padding:.1em 0}
td::before{content:attr(data-name) ": ";color:var(--dim)}
}
"""
"""On a phone each channel is a block, and each cell says which column it is of."""


def status_html(
    statuses: Sequence[ChannelStatus], unread: Sequence[str], written: datetime, *, linked: bool = False
) -> bytes:
    """The page in UTF-8; the same statuses give the same bytes. `unread` are channels that could not be read.

    `linked`: pages of the channels are below the folder of this one, as in the bucket of lanes.
    """
    policy = f"default-src 'none'; style-src {_hash(_STYLE)}; base-uri 'none'; form-action 'none'"
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    lines.append(f'<meta http-equiv="Content-Security-Policy" content="{policy}">')
    lines.append('<meta name="viewport" content="width=device-width, initial-scale=1">')
    lines += ["<title>Lanes</title>", f"<style>{_STYLE}</style>", "</head>", "<body>", "<h1>Lanes</h1>"]
    lines.append(f'<p class="dim">As of {_text(_time(written))}; <a href="{DATA}">the same as JSON</a>.</p>')
    lines += _items("Could not be read", unread)
    lines += ["<table>", "<thead>", f"<tr>{''.join(f'<th>{_text(name)}</th>' for name in HEADERS)}</tr>", "</thead>"]
    lines += ["<tbody>", *(_row(one, linked=linked) for one in statuses), "</tbody>", "</table>"]
    lines += _items("Not true of an index", (f"{_name(one)}: {fault}" for one in statuses for fault in one.faults))
    asked = (
        f"{_name(one)}: {each.id}: {each.what}, since {_time(each.since)}" for one in statuses for each in one.requests
    )
    lines += _items("Requests that nobody executed yet", asked)
    untold = (f"{_name(one)}: {withdrawal_in_words(each)}" for one in statuses for each in one.untold)
    lines += _items("Withdrawals that everybody has to be told of", untold)
    waiting = (f"{_name(one)}: {file}" for one in statuses for file in one.waiting)
    lines += _items("Files that the indexer has not read yet", waiting)
    text = "\n".join([*lines, "</body>", "</html>", ""])
    return text.encode("utf-8", "replace")  # JSON may hold halves of characters, which UTF-8 has not


def status_data(statuses: Sequence[ChannelStatus], unread: Sequence[str], written: datetime) -> bytes:
    """The same for machines, one JSON value."""
    content = {
        "written": _time(written),
        "channels": [content_of_status(one) for one in statuses],
        "unread": list(unread),
    }
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _row(status: ChannelStatus, *, linked: bool) -> str:
    made = []
    for name, cell in zip(HEADERS, cells(status), strict=True):
        text = _text(cell)
        if name == "channel" and linked:
            text = f'<a href="{quote(status.lane)}/{quote(status.channel)}/">{text}</a>'
        if name == "tests" and status.tests is not None and status.tests.url:
            text = f'<a href="{_text(status.tests.url)}" rel="nofollow noreferrer">{text}</a>'
        kind = _kind(name, status)
        made.append(f'<td data-name="{_text(name)}"{f" class={kind}" if kind else ""}>{text}</td>')
    return f"<tr>{''.join(made)}</tr>"


def _kind(column: str, status: ChannelStatus) -> str:
    """How a cell looks: what somebody has to do something about stands out. The words say the same."""
    bad = {
        "nightly": status.nightly == "late",
        "index": not status.is_consistent,
        "quota": status.lane_used is not None and status.lane_used > status.quota,
        "provenance": "refused" in status.verified,
        "tests": status.tests is not None and status.tests.outcome in ("failed", None),
    }
    if bad.get(column):
        return "bad"
    if column == "state" and status.state == "suspended":
        return "dim"
    good = {"nightly": status.nightly == "on time", "tests": status.tests is not None}
    return "good" if good.get(column) else ""


def _items(title: str, items: Iterable[str]) -> list[str]:
    made = [f"<li>{_text(item)}</li>" for item in items]
    return [f"<h2>{_text(title)}</h2>", "<ul>", *made, "</ul>"] if made else []


def _name(status: ChannelStatus) -> str:
    return f"{status.lane} {status.channel}"


def _text(text: str) -> str:
    return escape(visible(text))


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
