"""YAML as text: what a scalar says, where it stands, and which files are refused before they are read on."""

import os

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from imageyard.catalogue import text
from imageyard.catalogue.expand import load
from imageyard.catalogue.nodes import Map, Seq, Text, place
from imageyard.errors import ConfigurationError


def plain(node):
    if isinstance(node, Text):
        return node.text
    if isinstance(node, Map):
        return {key: plain(value) for key, value in node.items.items()}
    return [plain(item) for item in node.items]


def positions(node):
    below = node.items.values() if isinstance(node, Map) else node.items if isinstance(node, Seq) else ()
    return [(node.line, node.column), *(position for item in below for position in positions(item))]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3.10", "3.10"),
        ("3.1e1", "3.1e1"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", "true"),
        ("2026-11-21", "2026-11-21"),
        ("12:30:45", "12:30:45"),
        ("'3.10'", "3.10"),
        ('"null"', "null"),
        ("'~'", "~"),
        ("''", ""),
        ("~", None),
        ("", None),
        ("gfx90a;gfx942", "gfx90a;gfx942"),
        ("tcp://host:1234", "tcp://host:1234"),
        ('"a\\nb"', "a\nb"),
        ("a  # a comment", "a"),
        ("ä", "ä"),
    ],
)
@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])
def test_scalars_are_text_and_nothing_is_null(written, said, pure):
    assert plain(text.parse(f"key: {written}\n", pure=pure)) == {"key": said}


@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])
def test_nodes_know_where_they_stand(pure):
    root = text.parse("a: 1\nb:\n  c: [x, yy]\n", "f.yml", pure=pure)
    item = root.items["b"].items["c"].items[1]
    assert str(place(item)) == "f.yml:3:10"
    assert place(item).path == "b.c.1"
    assert str(place(root, "b")) == "f.yml:2:1"
    assert str(place(root.items["b"], "c")) == "f.yml:3:3"


def test_lines_that_end_in_cr_lf_say_the_same_at_the_same_place():
    source = "a: 1\nb:\n  c: [x, y]  # z\n  d: |\n    one\n    two\n"
    unix, windows = text.parse(source), text.parse(source.replace("\n", "\r\n"))
    assert plain(unix) == plain(windows)
    assert positions(unix) == positions(windows)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xef\xbb\xbfimages: {}\n", "f.yml:1:1: the file begins with a byte order mark"),
        (b"\xff\xfei\x00", "f.yml:1:1: the file is UTF-16"),
        (b"a: 1\nb: x\xe9\n", "f.yml:2:5: byte 0xe9 is not UTF-8"),
        (b"a: 1\r\nb: \x07\r\n", "f.yml:2:4: the character U+0007 cannot stand in a catalogue"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "f.yml:1:1: the character U+007F cannot stand in a catalogue"),
        (b"a: \x00\n", "f.yml:1:4: the character U+0000 cannot stand in a catalogue"),
        (b"a: \xef\xbb\xbf1\n", "f.yml:1:4: the character U+FEFF cannot stand in a catalogue"),
        (b"a: \xed\xa0\x80\n", "f.yml:1:4: byte 0xed is not UTF-8"),
        (b" \n\t\n", "f.yml: the file is empty"),
        (b"a: " + b"[" * 50_000, "f.yml:1:23: nested deeper than 20 levels"),
        (b"- " * 50_000 + b"x", "f.yml:1:41: nested deeper than 20 levels"),
        (b"a: " + b"{b: " * 5_000, "f.yml:1:80: nested deeper than 20 levels"),
        (b"a: &a [x]\n" + b"b: &b [*a, *a, *a]\n" * 9, "f.yml:1:4: an anchor (&a) is not part of a catalogue"),
        (b"a: " + b"[{b: " * 25_000, "f.yml:1:50: nested deeper than 20 levels"),
        (b"a:\n" + b"".join(b" " * n + b"b:\n" for n in range(1, 1_200)), "f.yml:21:21: nested deeper than 20 levels"),
        (b"a: &a x\nb: " + b"[" * 5_000, "f.yml:1:4: an anchor (&a) is not part of a catalogue"),
        (b"a: x\n" * 300_000, "f.yml: the file is larger than 1,048,576 bytes: this is not a catalogue"),
        (b'"' + b"x" * 2000 + b'": 1\n"' + b"x" * 2000 + b'": 2\n', None),
    ],
    ids=lambda value: None if isinstance(value, (bytes, type(None))) else value[6:40],
)
def test_large_and_odd_files_are_refused(data, said):
    with pytest.raises(ConfigurationError) as caught:
        text.parse(data, "f.yml")
    first = str(caught.value).splitlines()[0]
    if said is not None:
        assert first == f"error: {said}"
    assert len(first) < 300


def refusal(source, pure=False):
    with pytest.raises(ConfigurationError) as caught:
        text.parse(source, "f.yml", pure=pure)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("a: " + "[" * 1_100, "1:23"),
        ("a: " + "[" * 1_100 + "]" * 1_100, "1:23"),
        ("- " * 1_100 + "x", "1:41"),
        ("a: " + "[{b: " * 1_100, "1:50"),
        ("".join(" " * n + "b:\n" for n in range(1_100)), "21:21"),
        ("".join(" " * n + "b:\n" for n in range(15)) + " " * 15 + "b: " + "[" * 1_100, "16:23"),
        ("a: '" + "]" * 2_000 + "'\nb: " + "[" * 1_100, "2:23"),
    ],
    ids=["flow", "flow, closed", "block lists", "flow, mixed", "block maps", "flow in block", "brackets in quotes"],
)
@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])
def test_our_limit_of_depth_is_met_before_that_of_a_parser(source, at, pure):
    assert refusal(source, pure).splitlines()[0] == f"error: f.yml:{at}: nested deeper than 20 levels"


@pytest.mark.parametrize("fault", ["b: {x: ]\n", "b: @x\n", "b: c: d\n", "b:\n\tc: d\n"])
@pytest.mark.parametrize(
    ("flat", "wide"),
    [("# x\n", "# " + "[" * 25 + "\n"), ("a: |\n x\n", "a: |\n" + " " * 25 + "x\n")],
    ids=["brackets in a comment", "a wide indentation"],
)
def test_the_words_for_a_fault_do_not_depend_on_what_stands_before_it(flat, wide, fault):
    assert refusal(wide + fault) == refusal(flat + fault)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML is built without libyaml here")
def test_what_stands_where_a_fault_is_is_not_told_in_its_place():
    """PyYAML's own parser accepts what libyaml refuses here, and comes to the tag."""
    source = "a: [[[[?\n" + " " * 22 + ", !t x\n"
    assert "a tag" in refusal(source, pure=True)
    assert "a tag" not in refusal(source)


def test_ten_megabytes_are_refused_without_reading_them(tmp_path, monkeypatch):
    path = tmp_path / "images.yml"
    path.write_bytes(b"# " + b"x" * 10_000_000)
    read = []
    monkeypatch.setattr(text, "parse", lambda data, file, begin: read.append(len(data)))
    text.load(path)
    assert read == [text.SIZE_LIMIT + 1]
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="larger than"):
        load(path, tmp_path)


def test_a_key_that_is_too_long_for_yaml_is_named_as_that():
    pattern = ",".join(map(str, range(400)))
    with pytest.raises(ConfigurationError) as caught:
        text.parse(f'axes:\n  number: {{"n{{{pattern}}}": }}\n')
    assert caught.value.hint == ("YAML's keys have at most 1,024 characters: split a longer pattern up",)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no catalogue here"),
        (lambda path: path.mkdir(), "the catalogue cannot be read: Is a directory"),
        (lambda path: path.symlink_to(path.name), "the catalogue cannot be read: Too many levels of symbolic links"),
    ],
    ids=["missing", "folder", "link to itself"],
)
def test_files_that_cannot_be_read(tmp_path, make, said):
    path = tmp_path / "images.yml"
    make(path)
    with pytest.raises(ConfigurationError) as caught:
        load(path, tmp_path)
    assert caught.value.headline == said
    assert caught.value.at == "images.yml"


def test_a_catalogue_outside_the_repository_is_refused(tmp_path):
    (tmp_path / "top").mkdir()
    (tmp_path / "images.yml").write_text("images: {}\n")
    with pytest.raises(ConfigurationError, match="outside the repository"):
        load(tmp_path / "images.yml", tmp_path / "top")


def test_a_link_to_the_repository_is_inside_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "images.yml").write_text(
        "axes: {plain: {x}}\nimages: {a: {dockerfile: Dockerfile, names: {x: }}}\n"
    )
    (tmp_path / "link").symlink_to("real")
    catalogue = load(tmp_path / "link" / "images.yml", tmp_path / "real")
    assert (catalogue.file, catalogue.folder) == ("images.yml", ".")


YAMLISH = st.text(alphabet="ab:,-?{}[]'\"#&*!|>%@`~ \n\t\r0é\\<", max_size=60)


@settings(deadline=None)
@given(YAMLISH)
@example("a: '\\u")
@example('a: "\\UFFFFFFFF"')
@example("%YAML 99999999999999999999.1\n---\na: b")
@example("? a\n? b\n")
@example("a: |9\n x")
def test_any_text_is_read_or_refused_and_both_parsers_agree_on_what_they_read(source):
    def outcome(pure):
        try:
            return plain(text.parse(source, pure=pure))
        except ConfigurationError:
            return None

    fast, slow = outcome(False), outcome(True)
    if fast is not None and slow is not None:
        assert fast == slow


@settings(deadline=None)
@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.text(max_size=20), min_size=1, max_size=5))
def test_what_is_quoted_comes_back(values):
    source = yaml.safe_dump(values, default_style='"', allow_unicode=False)
    assert plain(text.parse(source)) == values


def test_reading_takes_nothing_from_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "images.yml"
    path.write_text("axes: {plain: {x}}\nimages: {a: {dockerfile: Dockerfile, names: {x: {args: {A: $HOME}}}}}\n")
    before = load(path, tmp_path)
    monkeypatch.setattr(os, "environ", {})
    assert load(path, tmp_path) == before
    assert before.images["x"].args == {"A": "$HOME"}
