"""The work tree, a revision and a dict tell the same of the same files; the rest is an error that says why."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard import git, tree
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, Transient
from imageyard.tree import DictTree, GitTree, Link, Tree, WorkTree, without
from support.git import sh

pytestmark = pytest.mark.usefixtures("home")

FILES: dict[str, bytes | tuple[bytes, bool] | Link] = {
    "ci/Dockerfile": b"FROM scratch\n",
    "ci/common/run.sh": (b"#!/bin/sh\n", True),
    "ci/common/link": Link("run.sh"),
    "ci/common/to-folder": Link("../../docs"),
    "ci/dangling": Link("/nowhere"),
    "ci/empty": b"",
    "ci/crlf": b"a\r\nb\n",
    "ci/binary": b"\x00\xff\n",
    "ci/sp ace": b"1",
    "ci/ leading": b"2",
    "ci/new\nline": b"3",
    "ci/tab\tin": b"4",
    "ci/grün/ü.txt": "ü".encode(),
    'ci/quote"d\\': b"5",
    "ci/[x]*": b"6",
    "cix": b"no part of ci",
    "docs/a": b"7",
}


def write(top: Path, files: dict[str, bytes | tuple[bytes, bool] | Link]) -> None:
    for name, what in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match what:
            case Link(text):
                path.symlink_to(text)
            case bytes():
                path.write_bytes(what)
            case (data, executable):
                path.write_bytes(data)
                path.chmod(0o755 if executable else 0o644)


def told(of: Tree) -> dict[str, tuple[str, bool, str]]:
    return {path: (entry.kind, entry.executable, of.digest(path)) for path, entry in of.entries().items()}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with FILES in one commit."""
    top = tmp_path / "repo"
    top.mkdir()
    write(top, FILES)
    sh(top, "init", "-q")
    sh(top, "add", "-A")
    sh(top, "commit", "-q", "-m", "one")
    return top


# What all trees agree on


def test_the_three_trees_agree(repo: Path) -> None:
    expected = told(DictTree(FILES))
    assert told(WorkTree(repo)) == expected
    assert told(GitTree(repo, "HEAD")) == expected
    assert list(expected) == sorted(expected, key=str.encode)


def test_what_they_tell() -> None:
    found = told(DictTree(FILES))
    assert found["ci/common/run.sh"] == ("file", True, hashlib.sha256(b"#!/bin/sh\n").hexdigest())
    assert found["ci/common/link"] == ("link", False, hashlib.sha256(b"run.sh").hexdigest())
    assert found["ci/empty"] == ("file", False, hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize("folder", ["ci", "ci/", "./ci", "ci/common/..", "/ci"])
def test_folders(repo: Path, folder: str) -> None:
    expected = {name.removeprefix("ci/"): facts for name, facts in told(DictTree(FILES)).items() if name[:3] == "ci/"}
    assert told(WorkTree(repo, folder)) == expected
    assert told(GitTree(repo, "HEAD", folder)) == expected
    for whole in (WorkTree(repo), GitTree(repo, "HEAD"), DictTree(FILES)):
        assert told(whole.sub(folder)) == expected
        assert told(whole.sub(".").sub(folder)) == expected
        assert whole.sub(folder).sub("common").read("run.sh") == b"#!/bin/sh\n"


def test_a_folder_outside() -> None:
    with pytest.raises(ConfigurationError, match="outside the tree"):
        DictTree(FILES).sub("../x")


def test_a_folder_that_is_not_there(repo: Path) -> None:
    assert [told(t) for t in (WorkTree(repo, "no"), GitTree(repo, "HEAD", "no"), DictTree(FILES).sub("no"))] == [{}] * 3


@pytest.mark.parametrize("path", ["no", "ci", "ci/no", "../x", "ci/./Dockerfile"])
def test_a_file_that_is_not_there(repo: Path, path: str) -> None:
    for whole in (WorkTree(repo), GitTree(repo, "HEAD"), DictTree(FILES), without(DictTree(FILES), ["ci"])):
        with pytest.raises(ConfigurationError, match="there is no file"):
            whole.read(path)


def test_without() -> None:
    left = without(DictTree(FILES), ["ci/common", "docs/a", "ci/grün/", "not-there", "ci/emp"])
    assert set(FILES) - set(left.entries()) == {
        "ci/common/link", "ci/common/run.sh", "ci/common/to-folder", "docs/a", "ci/grün/ü.txt",
    }  # fmt: skip
    assert "run.sh" not in left.sub("ci/common").entries()
    with pytest.raises(ConfigurationError, match="there is no file"):
        left.read("docs/a")


# Clones, umasks, times, settings


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_clones_agree_whatever_the_umask(repo: Path, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        sh(tmp_path, "clone", "-q", str(repo), f"elsewhere/{umask:o}")
    finally:
        os.umask(before)
    assert told(WorkTree(tmp_path / "elsewhere" / f"{umask:o}")) == told(DictTree(FILES))


def test_times_owners_and_modes_of_others_do_not_count(repo: Path) -> None:
    for name, what in FILES.items():
        if not isinstance(what, Link):
            os.utime(repo / name, (1, 1))
            (repo / name).chmod(0o700 if isinstance(what, tuple) else 0o466)
    assert told(WorkTree(repo)) == told(DictTree(FILES))


def test_without_a_mode_the_index_says_what_is_executable(repo: Path) -> None:
    sh(repo, "config", "core.fileMode", "false")
    (repo / "ci/common/run.sh").chmod(0o644)
    (repo / "ci/Dockerfile").chmod(0o755)
    write(repo, {"ci/untracked": (b"", True)})
    assert told(WorkTree(repo)) == told(DictTree({**FILES, "ci/untracked": b""}))


def test_without_links_the_index_says_what_is_one(repo: Path, tmp_path: Path) -> None:
    sh(tmp_path, "clone", "-q", "-c", "core.symlinks=false", str(repo), "clone")
    clone = tmp_path / "clone"
    assert (clone / "ci/common/link").read_bytes() == b"run.sh"
    assert told(WorkTree(clone)) == told(GitTree(clone, "HEAD")) == told(DictTree(FILES))


def test_line_endings_are_those_of_the_checkout(repo: Path, tmp_path: Path) -> None:
    write(
        repo, {".gitattributes": b"*.bat eol=crlf\n", "ci/x.bat": b"1\n2\n", "ci/ y.bat": b"1\n", "ci/l.bat": Link("x")}
    )
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "two")
    for name, setting in (("plain", "false"), ("windows", "true")):
        sh(tmp_path, "clone", "-q", "-c", f"core.autocrlf={setting}", str(repo), name)
        clone = tmp_path / name
        assert told(WorkTree(clone)) == told(GitTree(clone, "HEAD"))
        assert WorkTree(clone).read("ci/x.bat") == GitTree(clone, "HEAD").read("ci/ y.bat") + b"2\r\n" == b"1\r\n2\r\n"
        assert (WorkTree(clone).read("ci/Dockerfile") == b"FROM scratch\r\n") is (name == "windows")


# What belongs to the work tree


def test_the_work_tree_is_what_git_sees(repo: Path) -> None:
    write(repo, {".gitignore": b"*.log\n/build/\n", "ci/x.log": b"", "build/y": b"", "ci/new": (b"n", True)})
    (repo / "ci/empty").unlink()
    (repo / "ci/Dockerfile").write_bytes(b"FROM other\n")
    (repo / ".git/info/exclude").write_text("secret\n")
    (repo / "ci/secret").write_text("")
    write(repo, {"forced.log": b"f"})
    sh(repo, "add", "-f", "forced.log")
    expected = {
        **{name: what for name, what in FILES.items() if name != "ci/empty"},
        ".gitignore": b"*.log\n/build/\n",
        "ci/Dockerfile": b"FROM other\n",
        "ci/new": (b"n", True),
        "forced.log": b"f",
    }
    assert told(WorkTree(repo)) == told(DictTree(expected))


def test_added_but_not_yet_written_to_the_index(repo: Path) -> None:
    write(repo, {"ci/later": b"x"})
    sh(repo, "add", "-N", "ci/later")
    assert WorkTree(repo).read("ci/later") == b"x"


def test_a_file_whose_folder_became_a_link(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repo / "docs/a").rename(tmp_path / "outside/a")
    (repo / "docs").rmdir()
    (repo / "docs").symlink_to(tmp_path / "outside")
    found = WorkTree(repo).entries()
    assert "docs/a" not in found
    assert found["docs"].kind == "link"


def test_a_file_that_became_a_folder(repo: Path) -> None:
    (repo / "docs/a").unlink()
    write(repo, {"docs/a/b": b""})
    assert [path for path in WorkTree(repo).entries() if path.startswith("docs")] == ["docs/a/b"]


def test_a_link_that_became_a_file_and_a_file_a_link(repo: Path) -> None:
    (repo / "ci/common/link").unlink()
    (repo / "docs/a").unlink()
    write(repo, {"ci/common/link": b"run.sh", "docs/a": Link("7")})
    assert told(WorkTree(repo)) == told(DictTree({**FILES, "ci/common/link": b"run.sh", "docs/a": Link("7")}))


def test_submodules_and_nested_repositories(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, {"f": b"x"})
    sh(other, "init", "-q")
    sh(other, "add", "-A")
    sh(other, "commit", "-q", "-m", "one")
    sh(repo, "submodule", "--quiet", "add", str(other), "ci/third_party/mod")
    sh(repo, "commit", "-q", "-m", "two")
    sh(tmp_path, "clone", "-q", str(other), str(repo / "ci/nested"))
    work, at_head = WorkTree(repo), GitTree(repo, "HEAD")
    assert work.submodules == {"ci/third_party/mod", "ci/nested"}
    assert at_head.submodules == {"ci/third_party/mod"}
    assert work.sub("ci").submodules == WorkTree(repo, "ci").submodules == {"third_party/mod", "nested"}
    assert without(work, ["ci/nested"]).submodules == {"ci/third_party/mod"}
    for each in (work, at_head):
        assert not [path for path in each.entries() if "mod/" in path or path.endswith(("mod", "nested"))]
        with pytest.raises(ConfigurationError, match="a git repository of its own"):
            each.read("ci/third_party/mod/f")


# What cannot be told


def refused(of: Callable[[], object]) -> ImageyardError:
    with pytest.raises(ImageyardError) as caught:
        of()
    return caught.value


def test_merge_conflict(repo: Path) -> None:
    sh(repo, "checkout", "-q", "-b", "side")
    (repo / "docs/a").write_text("side")
    sh(repo, "commit", "-q", "-a", "-m", "side")
    sh(repo, "checkout", "-q", "main")
    (repo / "docs/a").write_text("main")
    sh(repo, "commit", "-q", "-a", "-m", "main")
    assert subprocess.run(["git", "-C", str(repo), "merge", "-q", "side"], capture_output=True, check=False).returncode
    error = refused(WorkTree(repo).entries)
    assert isinstance(error, ConfigurationError)
    assert error.headline == "docs/a has a merge conflict"
    assert error.hint == ("resolve it, then: git add docs/a",)
    assert "Dockerfile" in WorkTree(repo, "ci").entries()


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_neither_file_nor_link(repo: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "docs/a").unlink()
    if kind == "fifo":
        os.mkfifo(repo / "docs/a")
    else:
        monkeypatch.chdir(repo / "docs")
        with socket.socket(socket.AF_UNIX) as there:
            there.bind("a")
    error = refused(WorkTree(repo).entries)
    assert error.headline == "docs/a is neither a file nor a link nor a folder"


def test_a_name_that_is_not_utf8(repo: Path) -> None:
    (Path(os.fsdecode(os.fsencode(repo) + b"/ci/bad\xff"))).write_text("")
    error = refused(WorkTree(repo).entries)
    assert isinstance(error, ConfigurationError)
    assert error.headline == r"the name of 'ci/bad\\xff' is not UTF-8"


def test_sparse_checkout(repo: Path) -> None:
    sh(repo, "sparse-checkout", "set", "docs")
    assert set(WorkTree(repo, "docs").entries()) == {"a"}
    error = refused(WorkTree(repo, "ci").entries)
    assert isinstance(error, ConfigurationError)
    assert "is left out by a sparse checkout" in error.headline
    assert "git sparse-checkout add ci" in error.hint[0]


def test_a_sparse_path_that_is_there_after_all(repo: Path) -> None:
    sh(repo, "update-index", "--skip-worktree", "docs/a")
    (repo / "docs/a").write_text("mine")
    assert WorkTree(repo).read("docs/a") == b"mine"


@pytest.mark.parametrize("when", ["vanished", "changed"])
def test_a_file_that_moves_under_us(repo: Path, when: str) -> None:
    work = WorkTree(repo)
    work.digest("docs/a")
    if when == "changed":
        (repo / "docs/a").write_bytes(b"other")
    else:
        (repo / "docs/a").unlink()
    error = refused(lambda: work.read("docs/a"))
    assert isinstance(error, Transient)
    assert error.headline == f"docs/a {when} while it was being read"
    assert work.digest("docs/a") == hashlib.sha256(b"7").hexdigest()


def test_a_file_that_may_not_be_read(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    work = WorkTree(repo)
    work.entries()
    monkeypatch.setattr(tree, "open", denied, raising=False)
    error = refused(lambda: work.read("docs/a"))
    assert isinstance(error, EnvironmentLacks)
    assert error.headline == "cannot read docs/a: Permission denied"


def test_an_unknown_revision(repo: Path) -> None:
    assert "unknown revision 'nope'" in refused(GitTree(repo, "nope").entries).headline


# What it costs


def test_few_questions(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = git.ask

    def counted(where: Path, *args: str, stdin: bytes | None = None) -> object:
        asked.append(args[0])
        return real(where, *args, stdin=stdin)

    monkeypatch.setattr(git, "ask", counted)
    trees = [WorkTree(repo), GitTree(repo, "HEAD", "docs")]
    assert asked == []
    for each in trees:
        told(each)
        told(each)
        told(each.sub("ci"))
    assert asked == ["config", "ls-files", "rev-parse", "ls-tree", "cat-file"]


def test_a_revision_is_read_in_blocks(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_BLOCK", 3)
    at_head = GitTree(repo, "HEAD")
    assert at_head.read("docs/a") == b"7"
    assert at_head.read("cix") == b"no part of ci"
    assert told(at_head) == told(DictTree(FILES))
