"""Pages of an index: golden files, and at random, read back by the standard library's readers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.lanes.people_page import people_page
from imageyard.lanes.simple_index import (
    IndexFile,
    IndexProject,
    project_html,
    project_json,
    projects_html,
    projects_json,
    upload_time,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "lanes"
NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
FILES = (
    IndexFile("torch_acme-1.9+acme-cp311-abi3-linux_x86_64.whl", "1.9+acme", 1000, "a" * 64, NOON),
    IndexFile(
        "torch_acme-1.10+acme-cp311-abi3-linux_x86_64.whl",
        "1.10+acme",
        2_500_000_000,
        "b" * 64,
        NOON + timedelta(days=1, microseconds=5),
        requires_python=">=3.10,<4",
        metadata_sha256="c" * 64,
        provenance="https://files.example.com/torch_acme.whl.provenance",
    ),
    IndexFile("torch_acme-1.8+acme-py3-none-any.whl", "1.8+acme", 1, "d" * 64, NOON, yanked='wrong "<ABI>" & more'),
    IndexFile("torch_acme-1.7+acme-py3-none-any.whl", "1.7+acme", 1, "e" * 64, NOON, yanked=""),
)
PROJECT = IndexProject(
    "torch-acme",
    FILES,
    "../../files/",
    tracks=("https://index.example.com/simple/torch-acme/",),
    alternates=("https://mirror.example.com/simple/torch-acme/",),
)

PAGES = {
    "project.json": project_json(PROJECT),
    "project.html": project_html(PROJECT),
    "projects.json": projects_json(["torch-acme", "acme-tools"]),
    "projects.html": projects_html(["torch-acme", "acme-tools"]),
    "people.html": people_page("acme", "nightly", [PROJECT], [("torch_acme-1.0-py3-none-any.whl", "no +acme")]),
}


@pytest.mark.parametrize("name", PAGES)
def test_golden_pages(name: str) -> None:
    assert PAGES[name].decode() == (GOLDEN / name).read_text()


def test_the_order_of_the_files_does_not_matter() -> None:
    turned = replace(PROJECT, files=FILES[::-1])
    assert (project_json(turned), project_html(turned)) == (PAGES["project.json"], PAGES["project.html"])


class Reader(HTMLParser):
    """Every tag of a page with its attributes, and the text of each anchor."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "a"
        if self._inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data

    @property
    def links(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "a"]

    def metas(self, name: str) -> list[str | None]:
        return [each["content"] for tag, each in self.tags if tag == "meta" and each.get("name") == name]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
HOSTILE_TEXT = TEXT | st.sampled_from(
    ["</a><script>alert(1)</script>", '" onload="x', "<!--", "]]>", "&amp;", "'\"<>&"]
)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
INDEX_FILES = st.builds(
    IndexFile,
    filename=HOSTILE_TEXT.filter(bool),
    version=st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}\+acme\.[0-9]", fullmatch=True),
    size=st.integers(0, 2**53),
    sha256=HASHES,
    uploaded=st.datetimes(timezones=st.just(timezone.utc)),
    requires_python=st.none() | HOSTILE_TEXT,
    metadata_sha256=st.none() | HASHES,
    yanked=st.none() | HOSTILE_TEXT,
    provenance=st.none() | HOSTILE_TEXT,
)
PROJECTS = st.builds(
    IndexProject,
    name=st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    files=st.lists(INDEX_FILES, max_size=5, unique_by=lambda file: file.filename).map(tuple),
    base=st.just("../../files/"),
    tracks=st.lists(HOSTILE_TEXT, max_size=2).map(tuple),
    alternates=st.lists(HOSTILE_TEXT, max_size=2).map(tuple),
)


@given(PROJECTS)
def test_json_reads_back_as_the_same_files(project: IndexProject) -> None:
    page = json.loads(project_json(project))
    assert page["meta"].get("tracks", []) == list(project.tracks)
    assert page.get("alternate-locations", []) == list(project.alternates)
    assert set(page["versions"]) == {entry.version for entry in project.files}
    assert {file_of(entry) for entry in page["files"]} == {replace(file, version="") for file in project.files}
    assert "dist-info-metadata" not in project_json(project).decode()


def file_of(entry: dict[str, Any]) -> IndexFile:
    assert unquote(entry["url"]) == f"../../files/{entry['filename']}"
    yanked = entry["yanked"]
    return IndexFile(
        entry["filename"],
        "",
        entry["size"],
        entry["hashes"]["sha256"],
        datetime.fromisoformat(entry["upload-time"].replace("Z", "+00:00")),
        entry.get("requires-python"),
        entry["core-metadata"]["sha256"] if entry["core-metadata"] else None,
        None if yanked is False else "" if yanked is True else yanked,
        entry.get("provenance"),
    )


@given(PROJECTS)
def test_html_reads_back_as_the_same_files(project: IndexProject) -> None:
    page = Reader(project_html(project))
    assert page.metas("pypi:tracks") == list(project.tracks)
    assert page.metas("pypi:alternate-locations") == list(project.alternates)
    assert page.texts == [file.filename for file in project.newest_files]
    for link, file in zip(page.links, project.newest_files, strict=True):
        url, _, fragment = str(link["href"]).partition("#")
        assert (unquote(url), fragment) == (f"../../files/{file.filename}", f"sha256={file.sha256}")
        told = f"sha256={file.metadata_sha256}" if file.metadata_sha256 else None
        assert link.get("data-core-metadata") == link.get("data-dist-info-metadata") == told
        assert link.get("data-requires-python") == file.requires_python
        assert link.get("data-yanked") == file.yanked
        assert link.get("data-provenance") == file.provenance


@given(PROJECTS, HOSTILE_TEXT, HOSTILE_TEXT)
def test_hostile_names_stay_text(project: IndexProject, name: str, why: str) -> None:
    allowed = {"html", "head", "meta", "title", "body", "h1", "a", "br"}
    assert {tag for tag, _ in Reader(project_html(project)).tags} <= allowed
    assert {tag for tag, _ in Reader(projects_html([name])).tags} <= allowed
    people = Reader(people_page("acme", "nightly", [project], [(name, why)]))
    assert {tag for tag, _ in people.tags} <= allowed | {"style", "h2", "p", "code", "table", "tr", "th", "td", "span"}
    assert not [each for _, attributes in people.tags for each in attributes if each.startswith("on")]


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789._-+%#?/&", min_size=1))
def test_a_link_leads_below_the_base_and_nowhere_else(name: str) -> None:
    file = IndexFile(name, "1.0+acme", 1, "a" * 64, NOON)
    link = Reader(project_html(IndexProject("p", (file,), "../../files/"))).links[0]
    place = urljoin("https://example.com/acme/nightly/simple/p/", str(link["href"])).partition("#")[0]
    if name not in (".", ".."):
        head, _, last = place.rpartition("/")
        assert (head, unquote(last)) == ("https://example.com/acme/nightly/files", name)


def test_times_are_of_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    assert upload_time(elsewhere) == "2026-11-28T12:00:00Z"
    assert upload_time(NOON + timedelta(microseconds=10)) == "2026-11-28T12:00:00.000010Z"
