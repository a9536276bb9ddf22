"""Questions to git, asked of real repositories; each refusal says what to type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard import git, git_changes, process
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError
from imageyard.git_blobs import Clone, Revision
from support.git import sh

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit: `folder/file` and `other`."""
    top = tmp_path / "repo"
    (top / "folder").mkdir(parents=True)
    (top / "folder" / "file").write_text("1\n")
    (top / "other").write_text("2\n")
    sh(top, "init", "-q")
    sh(top, "add", "-A")
    sh(top, "commit", "-q", "-m", "one")
    return top


def test_top(repo: Path) -> None:
    assert git.top(repo) == repo
    assert git.top(repo / "folder") == repo
    assert git.top(repo / "folder" / "file") == repo


def test_head_and_resolve(repo: Path) -> None:
    first = sh(repo, "rev-parse", "HEAD")
    sh(repo, "tag", "-a", "v1", "-m", "v1")
    sh(repo, "commit", "-q", "--allow-empty", "-m", "two")
    assert git.head(repo) == sh(repo, "rev-parse", "HEAD") != first
    assert [git.resolve(repo, rev) for rev in ("v1", "HEAD~1", first, first[:8])] == [first] * 4


def test_tree_id(repo: Path) -> None:
    assert git.tree_id(repo, "HEAD", "folder") == sh(repo, "rev-parse", "HEAD:folder")
    assert git.tree_id(repo, "HEAD", "") == sh(repo, "rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("folder", ["gone", "other", "folder/file"])
def test_tree_id_of_what_is_no_folder(repo: Path, folder: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder at HEAD"):
        git.tree_id(repo, "HEAD", folder)


@pytest.mark.parametrize(
    ("change", "folder", "whole"),
    [
        ("none", False, False),
        ("edit", True, True),
        ("stage", True, True),
        ("delete", True, True),
        ("untracked", True, True),
        ("chmod", True, True),
        ("ignored", False, False),
        ("elsewhere", False, True),
        ("touch", False, False),
        ("mode of others", False, False),
    ],
)
def test_dirty(repo: Path, change: str, folder: bool, whole: bool) -> None:
    file = repo / "folder" / "file"
    (repo / ".git" / "info" / "exclude").write_text("*.log\n")
    match change:
        case "edit":
            file.write_text("3\n")
        case "stage":
            file.write_text("3\n")
            sh(repo, "add", "-A")
        case "delete":
            file.unlink()
        case "untracked":
            (repo / "folder" / "new").write_text("")
        case "chmod":
            file.chmod(0o755)
        case "ignored":
            (repo / "folder" / "x.log").write_text("")
        case "elsewhere":
            (repo / "other").write_text("3\n")
        case "touch":
            file.write_text(file.read_text())
        case "mode of others":
            file.chmod(0o600)
    assert (git_changes.is_dirty(repo, "folder"), git_changes.is_dirty(repo)) == (folder, whole)


def test_the_user_s_settings_hide_no_dirt(repo: Path) -> None:
    sh(repo, "config", "status.showUntrackedFiles", "no")
    (repo / "folder" / "new").write_text("")
    assert git_changes.is_dirty(repo, "folder")


def refused(call: Callable[..., object], *args: object) -> ImageyardError:
    with pytest.raises(ImageyardError) as caught:
        call(*args)
    return caught.value


def test_not_a_repository(tmp_path: Path) -> None:
    error = refused(git.top, tmp_path)
    assert isinstance(error, EnvironmentLacks)
    assert error.headline == f"{tmp_path} is not in a git repository"
    assert "git init && git add -A" in error.hint[0]


def test_somebody_else_s_repository(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PASSED", (*process.PASSED, "GIT_TEST_ASSUME_DIFFERENT_OWNER"))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for ask in (git.top, git.head, git_changes.is_dirty, lambda top: list(git.listing(top))):
        error = refused(ask, repo)
        assert isinstance(error, EnvironmentLacks)
        assert error.headline == f"git does not trust {repo}: it belongs to another user"
        assert error.hint == (f"git config --global --add safe.directory '{repo}'",)


def test_git_is_not_installed(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(git.head, repo)
    assert isinstance(error, EnvironmentLacks)
    assert error.headline == "git is not installed"
    assert "apt-get install git" in error.hint[0]


@pytest.mark.parametrize("rev", ["nope", "--all", "", "HEAD:other", "origin/main", "a b", "HEAD^{tree}"])
def test_unknown_revision(repo: Path, rev: str) -> None:
    error = refused(git.resolve, repo, rev)
    assert isinstance(error, ConfigurationError)
    assert error.headline == f"unknown revision {rev!r}"
    assert "git branch --all" in error.hint[0]


def test_no_commit_yet(tmp_path: Path) -> None:
    sh(tmp_path, "init", "-q")
    error = refused(git.head, tmp_path)
    assert error.headline == "the repository has no commit yet"
    assert error.hint == ("git add -A && git commit",)


def test_bare_repository(tmp_path: Path) -> None:
    sh(tmp_path, "init", "-q", "--bare")
    error = refused(git.top, tmp_path)
    assert isinstance(error, EnvironmentLacks)
    assert "bare repository" in error.headline


def test_shallow(repo: Path, tmp_path: Path) -> None:
    sh(repo, "commit", "-q", "--allow-empty", "-m", "two")
    old = sh(repo, "rev-parse", "HEAD~1")
    sh(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    assert (git.is_shallow(repo), git.is_shallow(tmp_path / "shallow")) == (False, True)
    error = refused(git.resolve, tmp_path / "shallow", old)
    assert "git fetch --unshallow" in error.hint[0]


@pytest.mark.parametrize("depth", ["--depth=1", ""])
def test_the_hint_fetches_a_remote_s_branch(repo: Path, tmp_path: Path, depth: str) -> None:
    """A clone of one branch, as CI makes it: the command brings what was asked for, at the depth that it has."""
    sh(repo, "branch", "feature/x")
    sh(repo, "commit", "-q", "--allow-empty", "-m", "two")
    clone = tmp_path / "clone"
    sh(tmp_path, "clone", "-q", *([depth] if depth else []), "--single-branch", f"file://{repo}", "clone")
    error = refused(git.resolve, clone, "origin/feature/x")
    command = error.hint[0].split()
    assert command[:2] == ["git", "fetch"]
    assert depth in " ".join(command)
    sh(clone, *command[1:])
    assert git.resolve(clone, "origin/feature/x") == sh(repo, "rev-parse", "feature/x")
    assert git.is_shallow(clone) == bool(depth)


def test_the_caller_s_git_variables_do_not_count(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = sh(repo, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    assert (git.top(repo), git.head(repo), git_changes.is_dirty(repo)) == (repo, there, False)


def test_replaced_objects_do_not_count(repo: Path) -> None:
    entry = next(e for e in git.tree_listing(repo, "HEAD") if e.path == "other")
    (repo / "new").write_text("other bytes\n")
    sh(repo, "replace", entry.oid, sh(repo, "hash-object", "-w", "new"))
    assert Revision(Clone(repo, repo), "HEAD", "", ()).content(entry) == b"2\n"


@pytest.mark.parametrize("others", [0, 2])
def test_blob_that_is_gone(repo: Path, others: int) -> None:
    there = [entry for entry in git.tree_listing(repo, "HEAD") if entry.mode != "120000"][:others]
    revision = Revision(Clone(repo, repo), "HEAD", "", ())
    error = refused(lambda: list(revision.digests([*there, git.TreeEntry("x", "100644", "0" * 40)])))
    assert isinstance(error, ConfigurationError)


def test_asking_changes_nothing(repo: Path) -> None:
    (repo / "other").write_text("2\n")
    before = (repo / ".git" / "index").read_bytes()
    assert not git_changes.is_dirty(repo)
    list(git.listing(repo))
    assert (repo / ".git" / "index").read_bytes() == before


def test_which_branches_of_a_remote_contain_a_commit(repo: Path) -> None:
    """By whole names: for-each-ref takes a name for all that is below it too."""
    first = git.head(repo)
    sh(repo, "commit", "-q", "--allow-empty", "-m", "two")
    second = git.head(repo)
    branches = {"main": second, "old": first, "release/2.9": second, "release-2": second}
    for name, commit in branches.items():
        sh(repo, "update-ref", f"refs/remotes/origin/{name}", commit)
    sh(repo, "update-ref", "refs/remotes/upstream/stable", second)
    sh(repo, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    sh(repo, "pack-refs", "--all")
    assert set(git.remote_branches(repo)) == set(branches)
    assert git.remote_branches(repo, "upstream") == ("stable",)
    assert git.remote_branches(repo, "nobody") == ()
    assert set(git.containing(repo, second, list(branches))) == {"main", "release/2.9", "release-2"}
    assert set(git.containing(repo, first, list(branches))) == set(branches)
    assert git.containing(repo, second, ["old"]) == ()
    assert git.containing(repo, second, ["release"]) == ()
    assert git.containing(repo, second, []) == ()
    with pytest.raises(EnvironmentLacks):
        git.containing(repo, "c0ffee" * 6 + "c0ff", ["main"])


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
@pytest.mark.parametrize("change", ["other bytes", "none", "gone"])
def test_a_file_that_git_was_told_not_to_look_at_is_looked_at(repo: Path, flag: str, change: str) -> None:
    file = repo / next(path for _, path, _, _ in git.listing(repo, "folder"))
    sh(repo, "update-index", flag, str(file.relative_to(repo)))
    assert not git_changes.is_dirty(repo, "folder")
    if change == "gone":
        file.unlink()
    elif change == "other bytes":
        file.write_text("changed in secret\n")
    assert git_changes.is_dirty(repo, "folder") is (change != "none")
    assert not git_changes.is_dirty(repo, "other")
