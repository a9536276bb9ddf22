"""The work tree, a revision and a dict tell the same of the same files; the rest is an error that says why."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from imageyard import digest_cache, git, git_blobs, tree
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
    with pytest.raises(ConfigurationError, match="leads out of the repository"):
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
    (repo / "ci/nested/.gitignore").write_text("*.o\n")
    (repo / "ci/nested/x.o").write_text("ignored there")
    work, at_head = WorkTree(repo), GitTree(repo, "HEAD")
    assert [path for path in work.entries() if path.startswith(("ci/nested", "ci/third_party"))] == [
        "ci/nested/.gitignore", "ci/nested/f", "ci/third_party/mod/f",
    ]  # fmt: skip
    for each in (work, at_head, work.sub("ci/third_party").sub("."), WorkTree(repo, "ci").sub("third_party")):
        path = next(path for path in each.entries() if path.endswith("mod/f"))
        assert each.read(path) == b"x"
        assert each.digests([path])[path] == each.digest(path) == hashlib.sha256(b"x").hexdigest()
    (repo / "ci/third_party/mod/f").write_bytes(b"changed")
    sh(repo / "ci/third_party/mod", "commit", "-q", "-a", "-m", "moved")
    assert WorkTree(repo).read("ci/third_party/mod/f") == b"changed"
    assert GitTree(repo, "HEAD").read("ci/third_party/mod/f") == b"x"
    sh(repo, "commit", "-q", "-a", "-m", "moved")
    assert GitTree(repo, "HEAD").read("ci/third_party/mod/f") == b"changed"
    assert GitTree(repo, "HEAD~1").read("ci/third_party/mod/f") == b"x"


def test_a_submodule_in_a_submodule(repo: Path, tmp_path: Path) -> None:
    inner, middle = tmp_path / "inner", tmp_path / "middle"
    for top, files in ((inner, {"deep": b"d"}), (middle, {"m": b"m"})):
        top.mkdir()
        write(top, files)  # type: ignore[arg-type]
        sh(top, "init", "-q")
        sh(top, "add", "-A")
        sh(top, "commit", "-q", "-m", "one")
    sh(middle, "submodule", "--quiet", "add", str(inner), "inner")
    sh(middle, "commit", "-q", "-m", "two")
    sh(repo, "submodule", "--quiet", "add", str(middle), "ci/middle")
    sh(repo, "submodule", "--quiet", "update", "--init", "--recursive")
    sh(repo, "commit", "-q", "-m", "two")
    for each in (WorkTree(repo), GitTree(repo, "HEAD")):
        assert each.read("ci/middle/inner/deep") == b"d"
        assert each.read("ci/middle/m") == b"m"


@pytest.mark.parametrize("tree_of", [WorkTree, lambda top: GitTree(top, "HEAD")])
def test_a_submodule_that_is_not_checked_out(repo: Path, tmp_path: Path, tree_of: Callable[[Path], Tree]) -> None:
    test_submodules_and_nested_repositories(repo, tmp_path)
    sh(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tree_of(tmp_path / "clone")
    assert clone.read("docs/a") == b"7", "what nobody takes is no error"
    error = refused(lambda: clone.read("ci/third_party/mod"))
    assert error.headline == "the submodule ci/third_party/mod is not checked out, so that its files are missing"
    assert "git submodule update --init ci/third_party/mod" in error.hint[0]


@pytest.mark.parametrize("tree_of", [WorkTree, lambda top, folder="": GitTree(top, "HEAD", folder)])
def test_a_folder_that_is_a_link(repo: Path, tree_of: Callable[..., Tree]) -> None:
    write(repo, {"linked": Link("ci/common"), "ci/again": Link("../linked"), "ci/out": Link("../../elsewhere")})
    write(repo, {"round": Link("round")})
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "two")
    for each in (tree_of(repo, "linked"), tree_of(repo, "ci/again"), tree_of(repo).sub("linked")):
        assert each.read("run.sh") == b"#!/bin/sh\n"
        assert list(each.entries()) == ["link", "run.sh", "to-folder"]
    assert tree_of(repo, "ci").entries()["common/run.sh"].executable
    for folder in ("ci/out", "round"):
        assert "leads out of the repository" in refused(lambda folder=folder: tree_of(repo, folder).entries()).headline


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
    work = WorkTree(repo)
    assert work.read("ci/Dockerfile") == b"FROM scratch\n", "what nobody takes is no error"
    error = refused(lambda: work.read("docs/a"))
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
    error = refused(lambda: WorkTree(repo).digest("docs/a"))
    assert error.headline == "docs/a is neither a file nor a link nor a folder"


def test_a_name_that_is_not_utf8(repo: Path) -> None:
    (Path(os.fsdecode(os.fsencode(repo) + b"/ci/bad\xff"))).write_text("")
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "odd")
    for each in (WorkTree(repo), GitTree(repo, "HEAD")):
        assert each.read("ci/Dockerfile") == b"FROM scratch\n", "what nobody takes is no error"
        error = refused(lambda each=each: each.digest("ci/bad\udcff"))  # type: ignore[misc]
        assert isinstance(error, ConfigurationError)
        assert error.headline == r"the name of 'ci/bad\\xff' is not UTF-8"


def test_sparse_checkout(repo: Path) -> None:
    sh(repo, "sparse-checkout", "set", "docs")
    assert set(WorkTree(repo, "docs").entries()) == {"a"}
    error = refused(lambda: WorkTree(repo, "ci").digest("Dockerfile"))
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
    def denied(*_: object, **__: object) -> None:
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

    def counted(where: Path, *args: str, **options: Any) -> object:
        asked.append(next(arg for arg in args if not arg.startswith("-")))
        return real(where, *args, **options)

    monkeypatch.setattr(git, "ask", counted)
    trees = [WorkTree(repo), GitTree(repo, "HEAD", "docs")]
    assert asked == []
    for each in trees:
        each.digests([path for path, entry in each.entries().items() if entry.kind == "file"])
        each.sub("ci").entries()
    work, folder, listing = ["config", "ls-files"], ["rev-parse", "ls-tree"], ["ls-tree"]
    promisors, attributes, filters = ["config"], ["ls-tree", "rev-parse"], ["config"]
    assert asked == [*work, *folder, *listing, *promisors, *attributes, *filters, "cat-file"]


@pytest.mark.parametrize("size", [1, 3])
def test_a_revision_is_read_in_batches(repo: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_blobs, "_BATCH", size)
    at_head = GitTree(repo, "HEAD")
    assert dict(at_head.digests(list(at_head.entries()))) == {p: d for p, (_, _, d) in told(DictTree(FILES)).items()}


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"\n\n", b"x" * 200_000, b"a\n" * 100_000],
    ids=["nothing", "a line end", "two line ends", "one long line", "many lines"],  # pytest has ids in os.environ
)
def test_a_blob_is_hashed_in_pieces(repo: Path, data: bytes) -> None:
    write(repo, {"docs/b": data, "docs/c": b"next"})
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "two")
    assert told(GitTree(repo, "HEAD")) == told(WorkTree(repo))


def test_only_what_is_asked_is_read(repo: Path, tmp_path: Path) -> None:
    """A partial clone fetches these blobs in one call, and no other."""
    sh(repo, "config", "uploadpack.allowFilter", "true")
    sh(repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    sh(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo}", "partial")
    clone = tmp_path / "partial"
    at_head = GitTree(clone, "HEAD", "ci")
    found = at_head.digests(["Dockerfile", "crlf", "binary"])
    assert found["crlf"] == hashlib.sha256(b"a\r\nb\n").hexdigest()
    packed = sh(clone, "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert len([line for line in packed if " blob " in line]) == 3


def test_a_filter_that_fails_for_a_file_that_nobody_takes(repo: Path) -> None:
    write(repo, {".gitattributes": b"*.big filter=broken\n", "ci/x.big": b"pointer\n"})
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "two")
    sh(repo, "config", "filter.broken.smudge", "exit 1")
    sh(repo, "config", "filter.broken.required", "true")
    at_head = GitTree(repo, "HEAD")
    assert at_head.digest("ci/Dockerfile") == hashlib.sha256(b"FROM scratch\n").hexdigest()
    with pytest.raises(ConfigurationError):
        at_head.digest("ci/x.big")


@pytest.mark.parametrize("where", [".gitattributes", "ci/.gitattributes", "ci/common/.gitattributes"])
@pytest.mark.parametrize("folder", ["", "ci", "ci/common"])
def test_attributes_are_those_of_the_revision(repo: Path, where: str, folder: str) -> None:
    write(repo, {where: b"*.sh text eol=crlf\n"})
    sh(repo, "add", "-A")
    sh(repo, "commit", "-q", "-m", "two")
    path = "ci/common/run.sh".removeprefix(f"{folder}/")
    assert GitTree(repo, "HEAD", folder).read(path) == b"#!/bin/sh\r\n"
    assert GitTree(repo, "HEAD~1", folder).read(path) == b"#!/bin/sh\n"
    assert GitTree(repo, "HEAD~1", folder).digest(path) == hashlib.sha256(b"#!/bin/sh\n").hexdigest()


# Digests that are kept


@pytest.fixture
def many(repo: Path) -> Path:
    """As many files as are worth a cache, all older than a file system's clock may hide."""
    write(repo, {f"many/{number}": f"{number}".encode() for number in range(100)})
    for path in repo.rglob("many/*"):
        os.utime(path, (1, 1))
    return repo


def reads(top: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Mapping[str, str], list[str]]:
    """The digests of all files, and which were read for them. Changed times are not ours to set: the clock is."""
    read: list[str] = []
    real = WorkTree._hash
    with monkeypatch.context() as patched:
        patched.setattr(WorkTree, "_hash", lambda self, path: (read.append(path), real(self, path))[1])
        patched.setattr(digest_cache, "time", SimpleNamespace(time_ns=lambda: time.time_ns() + 10_000_000_000))
        work = WorkTree(top)
        return dict(work.digests([path for path in work.entries() if path.startswith("many/")])), read


def test_a_file_that_did_not_change_is_not_read_again(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, read = reads(many, monkeypatch)
    assert len(read) == 100
    again, read = reads(many, monkeypatch)
    assert (again, read) == (first, [])


def test_one_large_file_is_not_read_again(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repo, {"many/large": bytes(5 << 20)})
    first, read = reads(repo, monkeypatch)
    assert read == ["many/large"]
    assert reads(repo, monkeypatch) == (first, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"longer"),
        lambda file: (file.write_bytes(b"x"), os.utime(file, (1, 1))),
        lambda file: (file.unlink(), file.write_bytes(b"x"), os.utime(file, (1, 1))),
    ],
)
def test_a_file_that_changed_is_read_again(
    many: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = reads(many, monkeypatch)
    change(many / "many/7")
    again, read = reads(many, monkeypatch)
    assert read == ["many/7"]
    assert again["many/7"] == hashlib.sha256((many / "many/7").read_bytes()).hexdigest() != first["many/7"]


def test_a_file_that_was_just_written_is_read_again(many: Path) -> None:
    """Git's rule for what is racily clean: it may be written once more without a trace."""
    work = WorkTree(many)
    work.digests([path for path in work.entries() if work.entries()[path].kind == "file"])
    assert not list(Path.home().glob(".cache/imageyard/digests/*"))


@pytest.mark.parametrize("spoil", [b"", b"imageyard digests 1\n", b"imageyard digests 1\n9 9\n", b"x" * 500])
def test_a_cache_that_cannot_be_read_is_none(many: Path, spoil: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = reads(many, monkeypatch)
    (kept,) = Path.home().joinpath(".cache", "imageyard", "digests").glob("*")
    for data in (spoil, kept.read_bytes()[:-3], kept.read_bytes().replace(b"many/7", b"many\xff7")):
        kept.write_bytes(data)
        again, read = reads(many, monkeypatch)
        assert again == first
        assert len(read) in (100, 0)


def test_where_no_cache_can_be_kept(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(many / "docs/a"))
    first, _ = reads(many, monkeypatch)
    assert reads(many, monkeypatch) == (first, sorted(first))
