"""Where a tree's files are: in repositories inside of others, behind links, in clones that lack objects."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imageyard import digest_cache, git, git_changes
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, Transient
from imageyard.tree import GitTree, Tree, WorkTree, without
from imageyard.treebase import Placed
from support.git import sh

pytestmark = pytest.mark.usefixtures("home")

BOTH = pytest.mark.parametrize("tree_of", [WorkTree, lambda top, folder="": GitTree(top, "HEAD", folder)])


def repository(top: Path, **files: str) -> Path:
    """A repository with files in one commit; `__` in a name is a slash, a text that begins with `->` a link."""
    top.mkdir()
    for name, text in files.items():
        path = top / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text)
    sh(top, "init", "-q")
    commit(top)
    return top


def commit(top: Path) -> None:
    sh(top, "add", "-A")
    sh(top, "commit", "-q", "-m", "one")


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A repository with the submodule `vendor/lib`."""
    library = repository(tmp_path / "library", ctx__f="x", g="y", up="->../../own")
    top = repository(tmp_path / "parent", own__a="1", ctx="->vendor/lib/ctx", back="->vendor/lib/up")
    sh(top, "submodule", "--quiet", "add", str(library), "vendor/lib")
    commit(top)
    return top


def refused(call: Callable[[], object]) -> ImageyardError:
    with pytest.raises(ImageyardError) as caught:
        call()
    return caught.value


# Folders in submodules, and links into them and out of them


@BOTH
@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("vendor", ["lib/ctx/f", "lib/g", "lib/up"]),
        ("vendor/lib", ["ctx/f", "g", "up"]),
        ("vendor/lib/ctx", ["f"]),
        ("ctx", ["f"]),
        ("back", ["a"]),
    ],
)
def test_a_folder_and_a_submodule(parent: Path, tree_of: Callable[..., Tree], folder: str, files: list[str]) -> None:
    for tree in (tree_of(parent, folder), tree_of(parent).sub(folder), without(tree_of(parent), ["x"]).sub(folder)):
        assert list(tree.entries()) == files
        assert {path: tree.read(path) for path in files if not path.endswith("up")} == {
            path: {"f": b"x", "g": b"y", "a": b"1"}[path[-1]] for path in files if not path.endswith("up")
        }


@BOTH
def test_a_named_context_whose_link_leaves_the_context(tmp_path: Path, tree_of: Callable[..., Tree]) -> None:
    top = repository(tmp_path / "top", ci__lib="->../lib", ci__out="->../../x", ci__abs="->/x", lib__f="x", ci__d="")
    for context in (tree_of(top, "ci"), without(tree_of(top, "ci"), ["d"]), without(tree_of(top), ["d"]).sub("ci")):
        assert context.sub("lib").read("f") == b"x"
        assert "leads out of the repository" in refused(lambda context=context: context.sub("out").entries()).headline
        error = refused(lambda context=context: context.sub("abs").entries())
        assert error.headline == "abs is a link to /x, which is a path of one machine"
        assert "ln -sfn" in error.hint[0]


def test_tag_tree_of_a_linked_folder(tmp_path: Path) -> None:
    top = repository(tmp_path / "top", real__f="x", ln="->real")
    assert WorkTree(top, "ln").folder == GitTree(top, "HEAD", "ln").folder == "real"


# Submodules of a revision that are not, or no longer, checked out as it has them


@pytest.mark.parametrize("change", ["moved", "removed", "deinitialized"])
def test_what_git_keeps_of_a_submodule_is_found(parent: Path, change: str) -> None:
    before = sh(parent, "rev-parse", "HEAD")
    if change == "moved":
        sh(parent, "mv", "vendor/lib", "elsewhere")
        commit(parent)
    elif change == "removed":
        sh(parent, "rm", "-q", "-f", "vendor/lib")
        commit(parent)
    else:
        sh(parent, "submodule", "--quiet", "deinit", "--force", "vendor/lib")
    tree = GitTree(parent, before)
    assert tree.read("vendor/lib/ctx/f") == b"x"
    assert list(GitTree(parent, before, "vendor/lib/ctx").entries()) == ["f"]


def test_a_commit_that_the_submodule_s_clone_lacks(parent: Path) -> None:
    sh(parent, "update-index", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    sh(parent, "commit", "-q", "-m", "moved to where nobody is")
    tree = GitTree(parent, "HEAD")
    assert tree.read("own/a") == b"1", "what nobody takes is no error"
    error = refused(lambda: tree.digest("vendor/lib"))
    assert isinstance(error, ConfigurationError)
    assert error.headline.startswith(f"the submodule vendor/lib lacks its commit {'1' * 40}")
    assert error.hint[0].startswith(f"git -C vendor/lib fetch origin {'1' * 40}")


def test_a_name_that_leads_out_of_git_s_own_folder_is_not_followed(parent: Path, tmp_path: Path) -> None:
    """CVE-2018-11235: what `.gitmodules` says is what a stranger wrote."""
    sh(tmp_path, "clone", "-q", "--bare", str(tmp_path / "library"), str(parent / ".git/elsewhere"))
    modules = (parent / ".gitmodules").read_text().replace('"vendor/lib"', '"../elsewhere"')
    (parent / ".gitmodules").write_text(modules)
    commit(parent)
    sh(parent, "submodule", "--quiet", "deinit", "--force", "--all")
    (parent / "vendor/lib/.git").unlink(missing_ok=True)
    assert "is not checked out" in refused(lambda: GitTree(parent, "HEAD").digest("vendor/lib")).headline


def test_a_submodule_whose_own_git_is_broken(parent: Path) -> None:
    """Git would look further upwards, and find the repository that the submodule is in."""
    (parent / "vendor/lib/.git").unlink()
    (parent / "vendor/lib/.git").mkdir()
    tree = WorkTree(parent)
    assert tree.read("own/a") == b"1"
    error = refused(lambda: tree.digest("vendor/lib"))
    assert isinstance(error, EnvironmentLacks)
    assert error.headline.startswith("git cannot read the repository vendor/lib, so that its files are missing")


@pytest.mark.parametrize(("change", "dirty"), [(False, False), (True, True)])
def test_what_a_submodule_was_told_not_to_look_at_is_looked_at(parent: Path, change: bool, dirty: bool) -> None:
    sh(parent / "vendor/lib", "update-index", "--assume-unchanged", "g")
    if change:
        (parent / "vendor/lib/g").write_text("changed in secret")
    assert git_changes.is_dirty(parent) is dirty


# What git is asked for


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of git, in the order in which they were called."""
    found: list[str] = []
    real = git.ask

    def counted(where: Path, *args: str, **options: Any) -> object:
        found.append(next(arg for arg in args if not arg.startswith("-") and "=" not in arg))
        return real(where, *args, **options)

    monkeypatch.setattr(git, "ask", counted)
    return found


def test_links_are_read_together(tmp_path: Path, asked: list[str]) -> None:
    top = repository(tmp_path / "top", **{f"link{number}": f"->to {number}\n" for number in range(50)})
    tree = GitTree(top, "HEAD")
    assert dict(tree.digests(list(tree.entries()))) == {path: WorkTree(top).digest(path) for path in tree.entries()}
    assert asked.count("cat-file") == 1


def test_a_partial_clone_fetches_what_it_lacks_and_asks_nobody_for_what_it_has(
    tmp_path: Path, asked: list[str]
) -> None:
    top = repository(tmp_path / "top", a="1", b="2", c="3")
    for setting in ("allowFilter", "allowAnySHA1InWant"):
        sh(top, "config", f"uploadpack.{setting}", "true")
    sh(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{top}", "partial")
    for times in (1, 1, 2):
        GitTree(tmp_path / "partial", "HEAD").digests(["a", "b"] if times == 1 else ["a", "c"])
        assert asked.count("fetch") == times


def test_filters_run_where_a_checkout_runs_them(tmp_path: Path) -> None:
    """A command may name a file of the repository. Git takes one that fails for none, and the bytes are others."""
    top = repository(tmp_path / "100% top", tools__f="sed s/a/b/", _attributes="*.x filter=f", y__x="aaa\n")
    (top / "_attributes").rename(top / ".gitattributes")
    (top / "y/x").rename(top / "y.x")
    commit(top)
    sh(top, "config", "filter.f.smudge", "sh tools/f")
    assert GitTree(top, "HEAD").read("y.x") == b"baa\n"
    sh(top, "config", "filter.f.smudge", "sh tools/f; echo %f")
    assert GitTree(top, "HEAD").read("y.x") == b"baa\ny.x\n"


# Files that change while they are read, and caches that say something else


@pytest.mark.parametrize("listed", [True, False])
def test_bytes_of_two_moments_are_no_digest(tmp_path: Path, listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    top = repository(tmp_path / "top", big="1" * 3_000_000)
    tree = WorkTree(top)
    tree.entries()
    if not listed:
        (top / "big").write_text("0" * 3_000_000)
    real, reads = os.read, 0

    def read(handle: int, size: int) -> bytes:
        nonlocal reads
        data = real(handle, size)
        if size > 100_000:
            reads += 1
            (top / "big").write_text(f"{reads}" * 3_000_000)
        return data

    monkeypatch.setattr(os, "read", read)
    error = refused(lambda: tree.digest("big"))
    assert isinstance(error, Transient)
    assert error.headline == "big changed while it was being read"


def test_a_file_that_became_a_link_or_a_pipe_is_not_followed(tmp_path: Path) -> None:
    top = repository(tmp_path / "top", a="1", b="2")
    tree = WorkTree(top)
    tree.entries()
    (top / "a").unlink()
    (top / "a").symlink_to("b")
    (top / "b").unlink()
    os.mkfifo(top / "b")
    for path in ("a", "b"):
        assert refused(lambda path=path: tree.digest(path)).headline == f"{path} changed while it was being read"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A repository of 100 files, and the cache of their digests."""
    top = repository(tmp_path / "top", **{f"file{number}": f"{number}" for number in range(100)})
    monkeypatch.setattr(digest_cache, "_GRAIN", -10_000_000_000)  # times of changes are not ours to set: the clock is
    tree = WorkTree(top)
    tree.digests(list(tree.entries()))
    (cache,) = Path.home().glob(".cache/imageyard/digests/*")
    return top, cache


@pytest.mark.parametrize("at", [0, 25, 200, -200, -1])
def test_a_cache_with_one_other_byte_is_none(cached: tuple[Path, Path], at: int) -> None:
    top, cache = cached
    data = bytearray(cache.read_bytes())
    data[at] ^= 1
    cache.write_bytes(data)
    tree = WorkTree(top)
    assert tree.digests(list(tree.entries())) == {path: GitTree(top, "HEAD").digest(path) for path in tree.entries()}


@pytest.mark.parametrize("seconds", [-1_000_000_000, 20_000_000_000])
def test_times_that_are_far_away(cached: tuple[Path, Path], seconds: int) -> None:
    """Before 1970, or later than a signed number of nanoseconds holds: such a file is read each time."""
    top, cache = cached
    before = cache.stat().st_ino
    (top / "far").write_bytes(b"x" * 20_000_000)
    (top / "also").write_bytes(b"x" * 20_000_000)
    os.utime(top / "far", (seconds, seconds))
    for _ in range(2):
        tree = WorkTree(top)
        assert tree.digests(["far", "also"])["far"] == tree.digest("also")
    assert cache.stat().st_ino != before


def test_a_little_that_is_new_is_not_written(cached: tuple[Path, Path]) -> None:
    top, cache = cached
    before = cache.stat().st_ino
    for name, size, written in (("small", 10, False), ("large", 20_000_000, True)):
        (top / name).write_bytes(b"x" * size)
        tree = WorkTree(top)
        tree.digests(list(tree.entries()))
        assert (cache.stat().st_ino != before) is written


def test_caches_that_nobody_reads_go(cached: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    top, cache = cached
    old, month = cache.with_name("of a folder that is gone"), 31 * 86_400
    old.write_bytes(b"")
    now = cache.stat().st_mtime
    for file in (old, cache):
        os.utime(file, (now - month, now - month))
    tree = WorkTree(top)
    tree.digests(list(tree.entries()))
    assert cache.stat().st_mtime > now - month, "it was read"
    (top / "large").write_bytes(b"x" * 20_000_000)
    tree = WorkTree(top)
    tree.digests(list(tree.entries()))
    assert cache.exists()
    assert not old.exists()


# One file or folder, wherever it is


AT = pytest.mark.parametrize("at", [WorkTree.at, lambda top, path: GitTree.at(top, "HEAD", path)])


@AT
@pytest.mark.parametrize(
    ("path", "whole", "found"),
    [
        ("a.txt", "a.txt", ["a.txt"]),
        ("d/b.txt", "d/b.txt", ["b.txt"]),
        ("d", "d", ["d/b.txt", "d/e/c.txt"]),
        ("d/e", "d/e", ["e/c.txt"]),
        ("ln/e/c.txt", "d/e/c.txt", ["c.txt"]),
        ("ln.txt", "d/b.txt", ["b.txt"]),
        ("gone", "gone", []),
        ("d/b.txt/x", "d/b.txt/x", []),
        ("a", "a", []),
    ],
)
def test_a_place_is_that_and_nothing_beside_it(
    tmp_path: Path, at: Callable[[Path, str], Placed], path: str, whole: str, found: list[str]
) -> None:
    files = {"a.txt": "a", "d__b.txt": "b", "d__e__c.txt": "c", "ln": "->d", "ln.txt": "->ln/b.txt", "da": "x"}
    placed = at(repository(tmp_path / "top", **files), path)
    assert placed.whole == whole
    assert list(placed.paths()) == list(placed.tree.entries()) == found
    assert [placed.tree.digest(each) for each in found] == [
        hashlib.sha256(each.rpartition("/")[2][:1].encode()).hexdigest() for each in found
    ]


@AT
def test_a_place_in_a_submodule(parent: Path, at: Callable[[Path, str], Placed]) -> None:
    assert at(parent, "vendor/lib").paths() == ["lib/ctx/f", "lib/g", "lib/up"]
    assert at(parent, "vendor/lib/ctx/f").tree.read("f") == b"x"
    assert at(parent, "ctx/f").whole == "vendor/lib/ctx/f"


@AT
def test_a_place_has_the_attributes_of_its_folder(tmp_path: Path, at: Callable[[Path, str], Placed]) -> None:
    top = repository(tmp_path / "top", **{".gitattributes": "* text eol=crlf\n", "a.txt": "a\r\n"})
    (top / "a.txt").unlink()
    sh(top, "checkout", "-q", "--", "a.txt")
    assert at(top, "a.txt").tree.read("a.txt") == b"a\r\n"


@AT
def test_a_place_outside_of_the_repository(tmp_path: Path, at: Callable[[Path, str], Placed]) -> None:
    top = repository(tmp_path / "top", ln="->../x", round="->round")
    for path in ("ln", "ln/f", "round"):
        assert "leads out of the repository" in refused(lambda path=path: at(top, path)).headline
