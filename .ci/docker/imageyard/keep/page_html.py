"""The only place that imports jinja2: the page as one HTML file that asks nobody for anything.

Whatever a registry or a record says stays text: the template escapes every value, and a policy of the page lets it run
its own script alone, named by its hash (W3C, Content Security Policy Level 3, "script-src").
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from imageyard.keep.page import Page
from imageyard.keep.page_chart import HEIGHT, WIDTH
from imageyard.keep.page_view import COLUMNS, FIRST, view_of
from imageyard.project.page_files import DATA

__all__ = ["embedded", "html"]


def html(page: Page) -> bytes:
    """The page as HTML in UTF-8; the same page gives the same bytes."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("imageyard", "keep")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = (loader.get_source(environment, name)[0] for name in ("page.js", "page.css"))
    view = view_of(page)
    rendered = environment.get_template("page.html.j2").render(
        view=view,
        page=page,
        columns=COLUMNS,
        first=FIRST,
        data_file=DATA,
        data=embedded({"first": FIRST, "rows": [_without(row, "short", "pull") for row in view.rows]}),
        script=script,
        style=style,
        policy=_policy(script, style),
        width=WIDTH,
        height=HEIGHT,
    )
    return rendered.encode("utf-8", "replace")  # JSON may hold halves of characters, which UTF-8 has not


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A row without what the page's script makes out of the rest."""
    return {key: value for key, value in row.items() if key not in keys}


def embedded(value: Any) -> str:
    """JSON as it may stand in a script element of HTML: no end tag and no comment can begin in it.

    (WHATWG HTML, "Restrictions for contents of script elements".)
    """
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(script: str, style: str) -> str:
    """What the page may do: its own script and style by their hashes, and nothing from anywhere."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)};"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
