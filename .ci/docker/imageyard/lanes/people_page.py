"""A page of a lane's channel for people: which files there are, how to install them, and what was taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from posixpath import normpath
from urllib.parse import quote

from imageyard.lanes.simple_index import IndexFile, IndexProject, upload_time
from imageyard.layout import size as size_text

__all__ = ["people_page"]

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
    "code{background:#eee;padding:.1em .3em}.yanked{color:#a00}"
)


def people_page(lane: str, channel: str, projects: Iterable[IndexProject], refused: Sequence[tuple[str, str]]) -> bytes:
    """The page; links are as in the index. `refused` are files that are not listed, each with the reason.

    It has no script, and asks for nothing elsewhere; the names that vendors give are text in it.
    """
    title = f"{lane}, {channel}"
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    lines += [f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", "</head>", "<body>"]
    lines.append(f"<h1>{escape(title)}</h1>")
    for project in sorted(projects, key=lambda each: each.name):
        lines += _project(project)
    if refused:
        lines += ["<h2>Not listed</h2>", "<table>", "<tr><th>File</th><th>Why</th></tr>"]
        lines += [f"<tr><td>{escape(name)}</td><td>{escape(why)}</td></tr>" for name, why in sorted(refused)]
        lines.append("</table>")
    return "\n".join([*lines, "</body>", "</html>", ""]).encode()


def _project(project: IndexProject) -> list[str]:
    install = f"pip install --index-url URL/simple/ {project.name}"
    lines = [f"<h2>{escape(project.name)}</h2>", f"<p><code>{escape(install)}</code></p>", "<table>"]
    lines.append("<tr><th>File</th><th>Size</th><th>Uploaded</th><th>Python</th><th></th></tr>")
    base = project.base if "://" in project.base else normpath(f"simple/{project.name}/{project.base}") + "/"
    lines += [_row(file, base) for file in project.newest_files]
    return [*lines, "</table>"]


def _row(file: IndexFile, base: str) -> str:
    url = f"{base}{quote(file.filename, safe='')}#sha256={file.sha256}"
    yanked = "" if file.yanked is None else f'<span class="yanked">yanked: {escape(file.yanked or "no reason")}</span>'
    cells = [
        f'<a href="{escape(url)}">{escape(file.filename)}</a>',
        size_text(file.size),
        upload_time(file.uploaded),
        escape(file.requires_python or ""),
        yanked,
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
