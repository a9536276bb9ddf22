"""Which files a revision has, those of its submodules among them, and which bytes a checkout of it would have."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from imageyard import git, path_problems
from imageyard.errors import ImageyardError
from imageyard.git import TreeEntry
from imageyard.git_blobs import ATTRIBUTES, Clone, Revision
from imageyard.repository_paths import is_in, path_in_repository
from imageyard.treebase import Entry, ListedTree, Placed, Tree, uncollected

__all__ = ["GitTree"]

_LINK, _SUBMODULE = "120000", "160000"


class GitTree(ListedTree):
    """The tree of a revision, with bytes as a checkout on this machine would write them. Only what is asked is read.

    With `only`, one file or folder of it alone.
    """

    def __init__(self, top: Path, rev: str, folder: str = "", only: str = "") -> None:
        super().__init__()
        self.top = top
        self.rev = rev
        self._only = only
        self._asked = folder
        self.label = f"{rev}:{folder}"
        self._blobs: dict[str, tuple[Revision, TreeEntry]] = {}

    @classmethod
    def at(cls, top: Path, rev: str, path: str) -> Placed:
        """A file or folder of the revision, links followed, in a tree that holds nothing else."""
        whole = cls(top, rev, path).folder
        folder, _, name = whole.rpartition("/")
        return Placed(cls(top, rev, folder, name), name, whole)

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """See Tree: git reads all of these in few calls, and nothing else."""
        wanted: dict[Revision, dict[TreeEntry, list[str]]] = {}
        for path in paths:
            if path not in self._digests:
                revision, blob = self._blobs[self._entry(path).path]
                wanted.setdefault(revision, {}).setdefault(blob, []).append(path)
        for revision, blobs in wanted.items():
            for blob, digest in revision.digests(tuple(blobs)):
                for path in blobs[blob]:
                    self._settle(path, digest)
        return self._digests

    def digest(self, path: str) -> str:
        """See Tree."""
        return self.digests((path,))[path]

    @cached_property
    def _commit(self) -> _Commit:
        return _Commit(Clone(self.top, self.top), git.resolve(self.top, self.rev))

    @cached_property
    def folder(self) -> str:
        """The folder, links followed. Raises as `git.resolve` does."""
        return path_in_repository(self._asked, self._commit.text_of_link)

    def _list(self) -> Iterable[Entry]:
        with uncollected():
            return list(self._entries())

    def _entries(self) -> Iterator[Entry]:
        commit, folder = self._commit.owner(self.folder)
        for path, item, revision, problem in commit.files(folder, self._only):
            if revision:
                self._blobs[path] = revision, item
                problem = None if path.isascii() else path_problems.not_utf8(path)
            kind: Literal["file", "link"] = "link" if item.mode == _LINK else "file"
            yield Entry(path, kind, item.mode == "100755", problem)

    def _beyond(self, path: str) -> Tree:
        return GitTree(self.top, self.rev, posixpath.join(self.folder, path))

    def _pieces(self, entry: Entry) -> Iterable[bytes]:
        revision, blob = self._blobs[entry.path]
        return (revision.content(blob),)


class _Listed(NamedTuple):
    """A path below a folder: of a revision, or of none, for a submodule whose files are not there."""

    path: str
    entry: TreeEntry
    revision: Revision | None
    problem: ImageyardError | None = None


class _Commit:
    """A commit of the repository, or of a submodule that lies at `place` in it."""

    def __init__(self, clone: Clone, oid: str, place: str = "") -> None:
        self._clone = clone
        self._oid = oid
        self._place = place
        self._on_the_way: dict[str, TreeEntry | None] = {"": None}
        self._submodules: dict[str, _Commit] = {}

    def owner(self, path: str) -> tuple[_Commit, str]:
        """The commit that a path belongs to, this one or a submodule's, and the path there.

        Raises the problem of a submodule that is not there.
        """
        for entry in self._look_up(path):
            if entry.mode == _SUBMODULE:
                return self._submodule(entry).owner(path[len(entry.path) + 1 :])
        return self, path

    def text_of_link(self, path: str) -> str | None:
        """The text of a link, None for anything else."""
        commit, path = self.owner(path)
        entry = commit._look_up(path)[-1:]
        if not entry or entry[0].path != path or entry[0].mode != _LINK:
            return None
        return commit._clone.ask("cat-file", "blob", entry[0].oid).out.decode(errors="replace")

    def files(self, folder: str, only: str = "") -> Iterator[_Listed]:
        """The files, links and missing submodules below a folder, or what is `only` there, relative to the folder."""
        start = len(folder) + 1 if folder else 0
        asked = [posixpath.join(folder, name) for name in (only, ATTRIBUTES)] if only else [folder] if folder else []
        listed = [
            entry
            for entry in self._clone.listing(self._oid, *asked)
            if not folder or entry.path.startswith(f"{folder}/")
        ]
        revision = Revision(self._clone, self._oid, folder, listed)
        for entry in listed:
            path = entry.path[start:]
            if not is_in(path, only):
                continue
            if entry.mode != _SUBMODULE:
                yield _Listed(path, entry, revision)
                continue
            try:
                inner = list(self._submodule(entry).files(""))
            except ImageyardError as error:
                yield _Listed(path, entry, None, error)
                continue
            for each in inner:
                yield each._replace(path=f"{path}/{each.path}")

    def _look_up(self, path: str) -> list[TreeEntry]:
        """What stands on the way to a path, itself the last, as far as this repository has it."""
        parts = path.split("/")
        heads = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if new := [head for head in heads if head not in self._on_the_way]:
            self._on_the_way |= dict.fromkeys(new)
            self._on_the_way |= {e.path: e for e in self._clone.listing(self._oid, *new, recursive=False)}
        return [entry for head in heads if (entry := self._on_the_way[head]) is not None]

    def _submodule(self, entry: TreeEntry) -> _Commit:
        """The commit that a submodule stands at, in any clone of it that this one has."""
        if entry.path not in self._submodules:
            place, clone = posixpath.join(self._place, entry.path), None
            for clone in self._clones(entry.path):
                if not clone.ask("cat-file", "-e", f"{entry.oid}^{{commit}}").code:
                    break
            else:
                if clone is None:
                    raise path_problems.not_checked_out(place)
                raise path_problems.lacks_commit(place, entry.oid)
            self._submodules[entry.path] = _Commit(clone, entry.oid, place)
        return self._submodules[entry.path]

    def _clones(self, path: str) -> Iterator[Clone]:
        """The clones of a submodule: what is checked out at its path, and what git keeps for it.

        Git keeps it also while another commit has it at another path, or not at all (gitsubmodules(7), "Forms").
        """
        top = self._clone.work_tree / path
        if (top / ".git").exists():
            done = git.ask(top, "rev-parse", "--absolute-git-dir", env=git.at_top(top))
            if not done.code:
                yield Clone(top, top, git.path_of(done.out))
        name = self._names.get(path, "..")
        if ".." not in name.split("/"):
            kept = self._clone.where / git.path_of(self._clone.ask("rev-parse", "--git-path", f"modules/{name}").out)
            if kept.is_dir():
                yield Clone(kept, top if top.is_dir() else self._clone.work_tree, kept)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """The names of submodules by their paths."""
        what = ("--blob", f"{self._oid}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
        lines = self._clone.ask("config", "-z", *what).out.decode(errors="surrogateescape").split("\0")
        pairs = (line.partition("\n") for line in lines if line)
        return {path: key[len("submodule.") : -len(".path")] for key, _, path in pairs}
