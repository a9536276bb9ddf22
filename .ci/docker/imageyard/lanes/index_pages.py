"""The pages of a channel and where each is, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imageyard.lanes.lane_requests import shown_name
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.listed_files import Listing
from imageyard.lanes.people_page import people_page
from imageyard.lanes.places import files_prefix, index_prefix
from imageyard.lanes.simple_index import (
    JSON_TYPE,
    IndexProject,
    project_html,
    project_json,
    projects_html,
    projects_json,
)

__all__ = ["IndexPage", "files_base", "index_pages"]

_HTML = "text/html; charset=utf-8"
"""What stands for the HTML of version 1 ("Content-Types"), and what a browser shows."""
_DEPTH = 5


@dataclass(frozen=True)
class IndexPage:
    """A page: its key, its bytes and its media type."""

    key: str
    body: bytes
    media_type: str


def files_base(rules: LaneChannel) -> str:
    """The URL of the folder of files, as seen from the page of a project."""
    return (rules.files_url or "../" * _DEPTH) + files_prefix(rules.lane, rules.channel.name)


def index_pages(rules: LaneChannel, listing: Listing, there: Iterable[str]) -> list[IndexPage]:
    """Every page: those of projects first, and last the list of projects, which names them.

    `there` are the keys that the index has: a project without files keeps a page, on which no file is. Each page is
    `index.html` and, for whoever asks for JSON, `index.v1_json` beside it: a server chooses by Accept (PEP 691).
    """
    prefix = f"{index_prefix(rules.lane, rules.channel.name)}simple/"
    projects = {project.name: project for project in listing.projects}
    for key in there:
        name, _, page = key.removeprefix(prefix).partition("/")
        if key.startswith(prefix) and page:
            projects.setdefault(name, IndexProject(name, (), files_base(rules)))
    pages = []
    for name, project in sorted(projects.items()):
        pages.append(IndexPage(f"{prefix}{name}/index.v1_json", project_json(project), JSON_TYPE))
        pages.append(IndexPage(f"{prefix}{name}/index.html", project_html(project), _HTML))
    refused = [(shown_name(name), why.why) for name, why in listing.left_out]
    people = people_page(rules.lane, rules.channel.name, listing.projects, refused)
    pages.append(IndexPage(f"{index_prefix(rules.lane, rules.channel.name)}index.html", people, _HTML))
    names = [project.name for project in listing.projects]
    pages.append(IndexPage(f"{prefix}index.v1_json", projects_json(names), JSON_TYPE))
    pages.append(IndexPage(f"{prefix}index.html", projects_html(names), _HTML))
    return pages
