"""Reading apt's sources: both forms, as machines really have them, down to the mirror that is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.stack.apt import AptSource, Mirror, archive, read_folder, read_list, read_stanzas

KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"

STANZAS = f"""\
# http://snapshot.example/archive
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEY}

Types: deb
# a comment inside
uris: http://mirror.example/debian-security
SUITES: bookworm-security
Components: main
Enabled: yes
"""


def test_a_deb822_file() -> None:
    assert read_stanzas(STANZAS) == (
        AptSource(
            ("http://mirror.example/debian/",),
            ("bookworm", "bookworm-updates"),
            ("main", "contrib"),
            KEY,
            ("deb", "deb-src"),
        ),
        AptSource(("http://mirror.example/debian-security",), ("bookworm-security",), ("main",)),
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("\n\n# nothing but a comment\n\n", 0),
        ("Types: deb\nURIs: http://a.example/x\nSuites: s\nComponents: main\nEnabled: no\n", 0),
        ("Types: deb-src\nURIs: http://a.example/x\nSuites: s\nComponents: main\n", 0),
        ("Types: deb\nSuites: s\nComponents: main\n", 0),
        (
            "Types: deb\nURIs: http://a.example\nSuites: s\nComponents: main\n \n\nTypes: deb\nURIs: b:/\nSuites: t\n",
            2,
        ),
        ("Types: deb\r\nURIs: http://a.example/x\r\nSuites: s\r\nComponents: main\r\n", 1),
    ],
)
def test_which_stanzas_count(text: str, count: int) -> None:
    assert len(read_stanzas(text)) == count


def test_a_key_in_the_stanza_is_kept_whole() -> None:
    text = "Types: deb\nURIs: http://a.example/x\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n"
    assert read_stanzas(text)[0].signed_by == "\n -----BEGIN\n .\n abc"


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (
            "deb http://a.example/debian bookworm main",
            AptSource(("http://a.example/debian",), ("bookworm",), ("main",)),
        ),
        (
            f"deb [arch=amd64 signed-by={KEY}]  http://a.example/debian  trixie  main contrib  # newer",
            AptSource(("http://a.example/debian",), ("trixie",), ("main", "contrib"), KEY),
        ),
        ("deb file:/srv/repo ./", AptSource(("file:/srv/repo",), ("./",))),
        ("# deb http://a.example/debian bookworm main", None),
        ("deb-src http://a.example/debian bookworm main", None),
        ("deb http://a.example/debian", None),
        ("", None),
    ],
)
def test_one_line_entries(line: str, source: AptSource | None) -> None:
    assert read_list(f"\n{line}\n") == ((source,) if source else ())


def test_a_folder_is_read_as_apt_reads_it(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://first.example/debian bookworm main\n")
    (parts / "b.list").write_text("deb http://third.example/debian bookworm main\n")
    (parts / "a.sources").write_text(STANZAS)
    (parts / "c.list.disabled").write_text("deb http://never.example/debian bookworm main\n")
    (parts / "own.sources").write_text(STANZAS.replace("mirror", "own"))
    hosts = [s.uris[0].split("/")[2] for s in read_folder(tmp_path, besides=["own.sources"])]
    assert hosts == ["first.example", "mirror.example", "mirror.example", "third.example"]


def test_a_machine_without_sources_has_none(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == ()


@pytest.mark.parametrize(
    ("suite", "mirror"),
    [
        ("bookworm", Mirror("http://mirror.example/debian", KEY)),
        ("bookworm-security", Mirror("http://mirror.example/debian-security")),
        ("trixie", None),
    ],
)
def test_the_archive_of_a_suite(suite: str, mirror: Mirror | None) -> None:
    assert archive(read_stanzas(STANZAS), suite) == mirror


def test_a_source_without_a_host_is_passed_over() -> None:
    text = "deb mirror+file:/etc/apt/mirrors.txt noble main\ndeb http://a.example/ubuntu noble main\n"
    assert archive(read_list(text), "noble") == Mirror("http://a.example/ubuntu")


def test_an_archive_without_main_does_not_serve_a_release() -> None:
    assert archive(read_list("deb http://a.example/debian bookworm non-free\n"), "bookworm") is None
