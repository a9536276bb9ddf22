"""The pages of a package index, from the files that a lane has in a channel: HTML and JSON for installers.

Simple repository API (PyPA specifications, 2026-11; version 1.3 of the API): "Base HTML API" (PEP 503), "JSON-based
Simple API" (PEP 691), `yanked` (PEP 592), the metadata file beside a file (PEP 658, with the keys of PEP 714: both in
HTML, `core-metadata` alone in JSON, where `dist-info-metadata` stops some versions of pip), `versions`, `size` and
`upload-time` (PEP 700), `tracks` and `alternate-locations` (PEP 708), `provenance` (PEP 740).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from html import escape
from typing import Any
from urllib.parse import quote

from imageyard.lanes.standard import newest_first

__all__ = [
    "API_VERSION",
    "JSON_TYPE",
    "IndexFile",
    "IndexProject",
    "project_html",
    "project_json",
    "projects_html",
    "projects_json",
    "upload_time",
]

API_VERSION = "1.3"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class IndexFile:
    """A file in an index: `size` in bytes, `uploaded` with a time zone, hashes in hex.

    `yanked` is the reason, empty where none was given, and None where the file is not yanked. `provenance` is the URL
    of the provenance object (PEP 740), where there is one.
    """

    filename: str
    version: str
    size: int
    sha256: str
    uploaded: datetime
    requires_python: str | None = None
    metadata_sha256: str | None = None
    yanked: str | None = None
    provenance: str | None = None


@dataclass(frozen=True)
class IndexProject:
    """A project of an index, by its normalised name; `base` is the URL, often relative, that its files are below.

    `tracks` are the URLs of the same project at the indexes that own the name, which the centre sets and no vendor;
    `alternates` are those of all indexes that share the project (PEP 708).
    """

    name: str
    files: tuple[IndexFile, ...]
    base: str
    tracks: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()

    @cached_property
    def versions(self) -> list[str]:
        """Its versions, the newest first; those of yanked files are among them."""
        return newest_first(file.version for file in self.files)

    @cached_property
    def newest_files(self) -> list[IndexFile]:
        """Its files, those of the newest version first."""
        places = {version: place for place, version in enumerate(self.versions)}
        return sorted(self.files, key=lambda file: (places[file.version], file.filename))


def project_json(project: IndexProject) -> bytes:
    """The page of a project for installers ("Project Detail"); the same files give the same bytes."""
    meta: dict[str, Any] = {"api-version": API_VERSION}
    if project.tracks:
        meta["tracks"] = list(project.tracks)
    page: dict[str, Any] = {"meta": meta, "name": project.name, "versions": project.versions}
    if project.alternates:
        page["alternate-locations"] = list(project.alternates)
    page["files"] = [_file_json(file, project.base) for file in project.newest_files]
    return _json(page)


def project_html(project: IndexProject) -> bytes:
    """The same page in HTML, which has no sizes and no times (PEP 700, FAQ)."""
    metas = [("pypi:tracks", url) for url in project.tracks]
    metas += [("pypi:alternate-locations", url) for url in project.alternates]
    links = [_link(file, project.base) for file in project.newest_files]
    return _html(f"Links for {project.name}", links, metas)


def projects_json(names: Iterable[str]) -> bytes:
    """The list of all projects ("Project List")."""
    return _json({"meta": {"api-version": API_VERSION}, "projects": [{"name": name} for name in sorted(names)]})


def projects_html(names: Iterable[str]) -> bytes:
    """The same list in HTML."""
    links = [f'<a href="{escape(quote(name))}/">{escape(name)}</a><br>' for name in sorted(names)]
    return _html("Simple index", links)


def _file_json(file: IndexFile, base: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": _url(file, base),
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": upload_time(file.uploaded),
        "core-metadata": {"sha256": file.metadata_sha256} if file.metadata_sha256 else False,
        "yanked": (file.yanked or True) if file.yanked is not None else False,
    }
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.provenance is not None:
        entry["provenance"] = file.provenance
    return entry


def _link(file: IndexFile, base: str) -> str:
    attributes = {"href": f"{_url(file, base)}#sha256={file.sha256}"}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.metadata_sha256:
        attributes |= dict.fromkeys(("data-core-metadata", "data-dist-info-metadata"), f"sha256={file.metadata_sha256}")
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.provenance is not None:
        attributes["data-provenance"] = file.provenance
    text = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {text}>{escape(file.filename)}</a><br>"


def upload_time(moment: datetime) -> str:
    """A time as PEP 700 has it: UTC, with a Z; microseconds where there are any."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _url(file: IndexFile, base: str) -> str:
    return base + quote(file.filename, safe="")


def _html(title: str, links: Sequence[str], metas: Sequence[tuple[str, str]] = ()) -> bytes:
    every = [("pypi:repository-version", API_VERSION), *metas]
    head = [f'<meta name="{escape(name)}" content="{escape(content)}">' for name, content in every]
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">', *head]
    lines += [f"<title>{escape(title)}</title>", "</head>", "<body>", f"<h1>{escape(title)}</h1>", *links]
    return "\n".join([*lines, "</body>", "</html>", ""]).encode()


def _json(page: object) -> bytes:
    return (json.dumps(page) + "\n").encode()  # on one line: with an indent, thousands of files take seconds
