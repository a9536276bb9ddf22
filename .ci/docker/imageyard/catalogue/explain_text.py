"""An explanation as text: columns of name, value, level and line, and below each what it overrode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imageyard.catalogue.expectations.table import EXPECTATIONS

__all__ = ["as_text"]

_Lines = list[tuple[str, str, str, str]]


def as_text(data: Mapping[str, Any]) -> str:
    """The text of what `explain.as_data` gives."""
    rows = data["rows"]
    arches = ", ".join(row["arch"] for row in rows)
    lines = [
        data["image"],
        f"  family {data['family']}, for {arches}",
        f"  named by {data['pattern']} at {data['where']}",
    ]
    words: _Lines = [
        (
            word["word"],
            " ".join(f"{k}={_shown(v)}" for k, v in word["args"].items()) or "-",
            word["axis"],
            word["where"],
        )
        for word in data["words"]
    ]
    lines += _section("words", words)
    same = all({**row, "arch": ""} == {**rows[0], "arch": ""} for row in rows)
    for row in rows[:1] if same else rows:
        suffix = "" if same else f" on {row['arch']}"
        lines += _section(f"args{suffix}", [line for arg in row["args"] for line in _arg(arg)])
        for kind in ("checks", "facts"):
            lines += _section(f"{kind}{suffix}", [line for command in row[kind] for line in _command(command)])
        lines += _section(f"fields{suffix}", [line for item in row["fields"] for line in _field(item)])
    return "\n".join(lines)


def _section(title: str, rows: _Lines) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    texts = [
        "  ".join([*(cell.ljust(min(width, 60)) for cell, width in zip(row[:3], widths, strict=True)), row[3]])
        for row in rows
    ]
    return ["", f"{title}:", *(f"  {text}".rstrip() for text in texts)]


def _shown(value: Any) -> str:
    if value is None:
        return "~"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]"
    text = str(value)
    return repr(text) if not text or any(character in text for character in "\n\t") else text


def _arg(arg: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    value = arg["value"]
    if arg["parent"]:
        value = f"image:{arg['parent']}"
    yield from _settings(arg["name"], value, arg["set"])


def _field(item: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    yield from _settings(item["name"], item["value"], item["set"])


def _settings(name: str, value: Any, steps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    last = steps[-1]
    shown = "removed" if last["text"] is None else _shown(value)
    if last["text"] is not None and _shown(value) != _shown(last["text"]):
        shown += f"  from {_shown(last['text'])}"
    yield name, shown, last["level"], last["where"]
    for step in reversed(steps[:-1]):
        yield "", f"over {_shown(step['text'])}", step["level"], step["where"]


def _command(check: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    from shlex import join

    run = check["run"]
    text = join(run) if isinstance(run, list) else _shown(run)
    if not check["applies"]:
        text = f"does not apply: {check['why']}"
    else:
        for key in (*EXPECTATIONS, "when"):
            if check.get(key):
                text += f", {key} {_shown(check[key])}"
    steps = check["set"].get("run") or next(iter(check["set"].values()))
    yield check["name"], text, steps[-1]["level"], steps[-1]["where"]
    for key, own in check["set"].items():
        changed = own[:-1] if key == "run" else own[:-1] or [s for s in own if s["level"] != steps[-1]["level"]]
        for step in reversed(changed):
            verb = "over" if step in own[:-1] else "with"
            yield "", f"{verb} {key} {_shown(step['text'])}", step["level"], step["where"]
