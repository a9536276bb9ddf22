"""The page as values: what stands in each column, how rows change, and that no text of others becomes anything else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.keep.page import Page, PageImage, moment, page_of, plain
from imageyard.keep.page_chart import HEIGHT, WIDTH, chart
from imageyard.keep.page_facts import BackupFacts, PlatformImage, ShownRepository
from imageyard.keep.page_history import MOST_CHANGES, MOST_LINES, MOST_POINTS, Bounds, ChangeLine, bounds, histories
from imageyard.keep.page_html import embedded, html
from imageyard.keep.page_view import COLUMNS, ago, view_of
from imageyard.keep.retention import decide
from imageyard.keep.retention_facts import Claims, Inventory, RetentionPolicy, StoredManifest
from imageyard.keep.retention_plan import HandsOff
from imageyard.records import Finding, Record
from support.keep.pages import HOSTILE, NOW, REPOSITORY, made_page, sha

DAY = timedelta(days=1)
HEX = "0123456789abcdef0123"
POLICY = RetentionPolicy(share=1.0, pins=("*-release",))
CLAIMS = Claims(frozenset({"linux-a", "linux-b"}), {f"linux-a-{'a' * 20}": "c0ffee"}, frozenset({"c0ffee"}))


def manifest(tag: str, *more: str, age: timedelta = 10 * DAY, **fields: Any) -> StoredManifest:
    return StoredManifest(sha(tag), tags=(tag, *more), pushed=NOW - age, **fields)


def record(image: str = "linux-a", arch: str = "amd64", day: int = 1, **fields: Any) -> Record:
    given = {"tag": f"{image}-{HEX}", "seconds": 60.0 * day, **fields}
    return Record(image, arch, "built", 0, "", f"2026-11-{day:02d}T12:00:00+00:00", **given)


def repository(*manifests: StoredManifest, claims: Claims = CLAIMS, **fields: Any) -> ShownRepository:
    inventory = {one.digest: one for one in manifests}
    plan = decide(Inventory(inventory), claims, POLICY, NOW)
    given = {"policy": POLICY, "claims": claims, "plan": plan, "manifests": inventory, **fields}
    return ShownRepository(REPOSITORY, "trusted", **given)


def page(*repositories: ShownRepository, backups: BackupFacts | None = None) -> Page:
    return page_of("Images", repositories, backups or BackupFacts(), NOW)


def only(found: Page) -> PageImage:
    (image,) = found.images
    return image


@pytest.mark.parametrize(
    ("one", "name", "tag_class", "stay", "left", "why"),
    [
        (manifest(f"linux-a-{HEX}"), "linux-a", "content", "until", 20, "not old enough"),
        (manifest(f"linux-a-{HEX}", age=40 * DAY), "linux-a", "content", "goes", 0, "of no kept commit"),
        (
            manifest(f"linux-a-{'a' * 20}", age=90 * DAY),
            "linux-a",
            "content",
            "open",
            None,
            "of a kept commit (c0ffee)",
        ),
        (manifest("linux-a-weekly-20261118"), "linux-a", "weekly", "until", 4, "not old enough"),
        (manifest(f"linux-b-{HEX}", "linux-b"), "linux-b", "floating", "open", None, "a floating tag names it"),
        (manifest("linux-a-release", age=900 * DAY), "", "pinned", "open", None, "pinned"),
        (manifest("theirs"), "", "foreign", "open", None, "a tag that is not ours names it"),
        (
            manifest(f"linux-a-{HEX}", age=40 * DAY, pulled=NOW - DAY),
            "linux-a",
            "content",
            "until",
            13,
            "pulled lately",
        ),
    ],
)
def test_class_and_time_left(
    one: StoredManifest, name: str, tag_class: str, stay: str, left: int | None, why: str
) -> None:
    image = only(page(repository(one)))
    days = None if left is None else left * 86400
    assert (image.image, image.tag_class, image.stay, image.left) == (name, tag_class, stay, days)
    assert image.why.startswith(why)
    assert image.pull == f"docker pull {REPOSITORY}@{one.digest}"
    assert image.revoked is None


def test_what_nobody_knows_is_not_guessed() -> None:
    one = manifest(f"linux-a-{HEX}", age=timedelta(0))
    unread = only(page(repository(one, plan=None)))
    assert (unread.stay, unread.left) == ("unknown", None)
    sighted = page(repository(one, sighted=frozenset({one.digest})))
    image = only(sighted)
    assert (image.stay, image.pushed, image.born, image.backed_up, image.checks) == (
        "unknown",
        None,
        None,
        None,
        "unknown",
    )
    assert "does not say when" in sighted.repositories[0].notes[0]
    assert view_of(sighted).rows[0]["age"] == "not known"


def test_what_has_no_tag_is_counted_and_what_is_attached_has_no_row() -> None:
    image = manifest(f"linux-a-{HEX}")
    signature = manifest(f"{image.digest.replace(':', '-')}.sig")
    child = StoredManifest(sha("child"), pushed=NOW)
    found = page(repository(image, signature, child, signed=frozenset({image.digest})))
    assert [one.digest for one in found.images] == [image.digest]
    assert (found.repositories[0].images, found.repositories[0].untagged) == (1, 2)
    assert only(found).signed


def test_where_retention_keeps_its_hands_off_the_page_says_so_and_judges() -> None:
    one = manifest(f"linux-a-{HEX}", age=40 * DAY)
    plan = decide(Inventory({one.digest: one}), CLAIMS, replace(POLICY, most=0), NOW)
    assert plan.hands_off is HandsOff.COUNT
    found = page(repository(one, plan=plan))
    assert found.repositories[0].notes == ("retention deletes nothing of it: too many would go (1 of at most 0)",)
    assert only(found).stay == "goes"


@pytest.mark.parametrize(
    ("findings", "state", "words"),
    [
        ((Finding("gcc", True, "12", "12"),), "passed", "passed"),
        (
            (Finding("gcc", True, "12", "12"), Finding("ld", False, "2", "3")),
            "failed",
            "failed: ld: expected 2, found 3",
        ),
        ((), "not run", "not run"),
        (None, "unknown", "not known: no record"),
    ],
)
def test_checks(findings: tuple[Finding, ...] | None, state: str, words: str) -> None:
    one = manifest(f"linux-a-{HEX}")
    made = PlatformImage(one.digest, "linux/amd64", 5, record=None if findings is None else record(findings=findings))
    found = page(repository(one, platforms={one.digest: (made,)}))
    assert only(found).checks == state
    assert view_of(found).rows[0]["checks"] == words


def test_an_image_says_the_worst_of_its_platforms_and_what_each_is_made_of() -> None:
    one = manifest(f"linux-a-{HEX}")
    well = record(findings=(Finding("gcc", True, "12", "12"),), commit="1" * 40)
    other = record(arch="arm64", commit="2" * 40, dirty=True)
    slsa = ("https://slsa.dev/provenance/v1",)
    platforms = (
        PlatformImage(sha("1"), "linux/amd64", 5_000_000, slsa, well, (f"debian:12@{sha('base')}",)),
        PlatformImage(sha("2"), "linux/arm64", 6_000_000, (), other),
    )
    found = page(
        repository(one, platforms={one.digest: platforms}),
        backups=BackupFacts("read", {one.digest: "2026-11-27T02:00:00+00:00"}),
    )
    image, row = only(found), view_of(found).rows[0]
    assert (image.checks, image.size, image.backed_up) == ("not run", 11_000_000, True)
    assert row["sizes"] == ["linux/amd64: 5.0 MB", "linux/arm64: 6.0 MB"]
    base = f"base debian:12@{sha('base')[:19]}"
    assert row["made"] == [base, f"commit {'1' * 12}, {'2' * 12} with changes", "provenance SLSA v1"]
    assert row["checks"] == "linux/amd64: passed, linux/arm64: not run"
    assert row["backup"] == "yes, 2026-11-27"
    assert all(COLUMNS[column].sorts for column in row["sort"])


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=47), "47 h"),
        (2 * DAY, "2 days"),
        (-DAY, "0 min"),
    ],
)
def test_ages(age: timedelta, words: str) -> None:
    assert ago(age) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-01T00:00:00.000+00:00", datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("2026-01-01T00:00:00", datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_of_records(text: str, found: datetime | None) -> None:
    assert moment(text) == found


def rows(days: int, facts: Any = None, arch: str = "amd64") -> ShownRepository:
    """An image of each day, `facts` by the day."""
    manifests = [manifest(f"linux-a-{day:020x}") for day in range(1, days + 1)]
    platforms = {
        one.digest: (
            PlatformImage(
                one.digest, f"linux/{arch}", 100 * day, record=_dated(day, facts(day) if facts else {}, arch)
            ),
        )
        for day, one in enumerate(manifests, 1)
    }
    return repository(*manifests, platforms=dict(reversed(platforms.items())))


def _dated(day: int, facts: Any, arch: str) -> Record:
    when = datetime(2026, 1, 1, tzinfo=timezone.utc) + day * DAY
    return Record("linux-a", arch, "built", 0, "", when.isoformat(), seconds=float(day), facts=facts)


def test_a_history_is_in_the_order_of_time_and_ends_with_the_newest() -> None:
    (found,) = histories([rows(MOST_POINTS + 5)])
    assert (found.image, found.arch, found.series, found.changes) == ("linux-a", "amd64", "content", ())
    assert [point.size for point in found.points] == [100 * day for day in range(6, MOST_POINTS + 6)]
    assert [point.seconds for point in found.points] == [float(day) for day in range(6, MOST_POINTS + 6)]


def test_what_is_at_two_places_counts_once_and_other_images_do_not() -> None:
    one = rows(3)
    (found,) = histories([one, one])
    assert len(found.points) == 3
    assert histories([replace(one, claims=Claims(frozenset({"linux-b"})))]) == ()


def test_canaries_are_neighbours_of_canaries() -> None:
    content, weekly = manifest(f"linux-a-{HEX}"), manifest("linux-a-weekly-20261118")
    platforms = {
        one.digest: (
            PlatformImage(one.digest, "linux/amd64", 5, record=record(day=day, facts={"dpkg": (f"a\t{day}",)})),
        )
        for day, one in enumerate((content, weekly), 1)
    }
    found = histories([repository(content, weekly, platforms=platforms)])
    assert [(one.series, len(one.points), one.changes) for one in found] == [("content", 1, ()), ("weekly", 1, ())]


def test_neighbours_are_those_that_have_facts_and_the_newest_come_first() -> None:
    lines = {1: ("a\t1", "b\t1"), 3: ("a\t2", "c\t1", "no package of ours"), 4: ("a\t2",)}
    (found,) = histories([rows(4, lambda day: {"dpkg": lines[day]} if day in lines else {})])
    newest, oldest = found.changes
    assert (oldest.moved, oldest.came, oldest.went, oldest.left_out) == (1, 2, 1, 0)
    assert oldest.lines == (
        ChangeLine("moved", "dpkg", "a", "1 → 2"),
        ChangeLine("came", "dpkg", "c", "1"),
        ChangeLine("went", "dpkg", "b", "1"),
        ChangeLine("came", "dpkg", "", "no package of ours"),
    )
    assert (newest.moved, newest.came, newest.went) == (0, 0, 2)
    assert newest.before_tag == oldest.tag == f"linux-a-{3:020x}"


def test_what_changed_is_bounded_and_counted_whole() -> None:
    packages = range(3 * MOST_LINES)
    (found,) = histories([rows(MOST_CHANGES + 5, lambda day: {"dpkg": tuple(f"p{one}\t{day}" for one in packages)})])
    assert len(found.changes) == MOST_CHANGES
    assert {(len(one.lines), one.moved, one.left_out) for one in found.changes} == {
        (MOST_LINES, 3 * MOST_LINES, 2 * MOST_LINES)
    }
    assert found.changes[0].tag == f"linux-a-{MOST_CHANGES + 5:020x}"


def test_a_page_of_very_many_rows_shows_less_of_each() -> None:
    assert bounds(1) == bounds(24) == Bounds(MOST_POINTS, MOST_CHANGES, MOST_LINES)
    for rows in range(1, 2000):
        shown = bounds(rows)
        assert min(shown) > 1
        assert rows > 1500 or (rows * shown.points <= 20_000 and rows * shown.changes * shown.lines <= 20_000)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e15), max_size=100))
def test_a_chart_stays_within_its_edges(values: list[float]) -> None:
    found = chart("Size", [(str(at), value) for at, value in enumerate(values)], lambda value: f"{value:g}")
    assert (found is None) == (len(values) < 2)
    if found is not None:
        assert len(found.dots) == len(values) == len(found.line.split())
        assert all(0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT for dot in found.dots)
        heights = [dot.y for _, dot in sorted(zip(values, found.dots, strict=True), key=lambda pair: pair[0])]
        assert heights == sorted(heights, reverse=True), "a larger value is not below a smaller one"


def test_the_data_is_json_and_says_all() -> None:
    found = made_page(200)
    read = json.loads(json.dumps(plain(found), allow_nan=False))
    assert (read["version"], len(read["images"]), read["at"]) == (1, 200, NOW.isoformat())
    assert {one["digest"] for one in read["images"]} == {one.digest for one in found.images}
    assert set(read["images"][0]) >= {
        "tags",
        "tag_class",
        "left",
        "pulled",
        "backed_up",
        "revoked",
        "pull",
        "platforms",
    }


class Read(HTMLParser):
    """The elements of a page with their attributes, and its text; what is in script elements is apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text.append(data)


def hostile_page(texts: list[str]) -> Page:
    """A page in which every text of others is one of these."""
    one = made_page(max(len(texts), 2), tuple(texts), tuple(texts))
    return replace(one, title=texts[0], images=tuple(replace(image, revoked=texts[-1]) for image in one.images))


def harmless(found: Page) -> None:
    """What was put in is text, and the page has the elements that it has without it."""
    body = html(found).decode()
    read = Read(body)
    named = {name for name, _ in read.elements}
    assert named <= KNOWN
    assert [dict(attributes) for name, attributes in read.elements if name == "script"] == [
        {"type": "application/json", "id": "data"},
        {},
    ]
    assert not [key for _, attributes in read.elements for key in attributes if key.startswith("on") or key == "style"]
    links = {attributes.get("href") or "" for _, attributes in read.elements if "href" in attributes}
    assert all(re.fullmatch(r"#[a-z]+(-[0-9]+)?|images\.json|data:,", link) for link in links)
    assert not [attributes for _, attributes in read.elements if "src" in attributes]
    data, script = read.scripts
    rows = json.loads(data)["rows"]
    assert [row["tags"] for row in rows] == [list(image.tags) for image in found.images]
    assert "<" not in data
    assert hash_of(script) in body
    elements = [name for name, _ in read.elements]
    assert elements.count("tr") == 1 + min(len(found.images), 100) + 1


KNOWN = {
    *("html", "head", "meta", "link", "title", "style", "script", "template", "noscript", "body", "header", "main"),
    *("a", "h1", "h2", "h3", "h4", "p", "time", "section", "ul", "li", "b", "strong", "span", "code", "div", "details"),
    *("summary", "form", "label", "input", "select", "option", "button", "table", "caption", "thead", "tbody", "tr"),
    *("th", "td", "figure", "figcaption", "svg", "polyline", "circle"),
}


def hash_of(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"script-src &#39;sha256-{digest}&#39;"


def test_what_registries_and_records_say_stays_text() -> None:
    found = hostile_page(list(HOSTILE))
    harmless(found)
    text = "".join(Read(html(found).decode()).text)
    for one in HOSTILE:
        said = one.encode("utf-8", "replace").decode().replace("\u2028", " ").replace("\u2029", " ")
        assert " ".join(said.split()) in " ".join(text.replace("\u2028", " ").replace("\u2029", " ").split())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec=None), min_size=1, max_size=60) | st.sampled_from(HOSTILE), min_size=1, max_size=4
    )
)
def test_no_text_at_all_becomes_markup(texts: list[str]) -> None:
    harmless(hostile_page(texts))


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_that_is_embedded_ends_no_element_and_is_the_same_data(value: Any) -> None:
    text = embedded(value)
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(text)
    assert json.loads(text) == value


def test_the_page_asks_nobody_for_anything() -> None:
    body = html(made_page(150)).decode()
    read = Read(body)
    (policy,) = (found["content"] for _, found in read.elements if found.get("http-equiv") == "Content-Security-Policy")
    assert policy
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    assert set(directives) == {"script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert "unsafe" not in policy
    assert {name for name, attributes in read.elements if "src" in attributes} == set()
    script = read.scripts[1]
    assert not re.search(
        r"fetch|XMLHttp|WebSocket|import\(|sendBeacon|innerHTML|outerHTML|insertAdjacent|document\.write", script
    )


def test_the_same_page_gives_the_same_bytes() -> None:
    assert html(made_page(50)) == html(made_page(50))


def test_an_empty_catalogue_has_a_page() -> None:
    body = html(page_of("Images", [], BackupFacts(), NOW)).decode()
    assert "0 images" in body


def test_5000_images_make_a_page_of_a_few_megabytes() -> None:
    body = html(made_page(5000))
    assert len(body) < 5_500_000
    assert len(Read(body.decode()).elements) < 25_000, "rows are elements when they are shown"
