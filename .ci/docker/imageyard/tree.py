"""Which files there are and which bytes they have: in the work tree, or at a revision."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from imageyard import git
from imageyard.digest_cache import DigestCache, Seen, seen
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, Transient
from imageyard.git_blobs import Revision
from imageyard.treebase import DictTree, Entry, Link, ListedTree, Tree, through_links, without

__all__ = ["DictTree", "Entry", "GitTree", "Link", "Tree", "WorkTree", "without"]

_LISTING = "listing the files of a build context"
_PIECE = 1 << 20
"""Bytes."""
_UTF8 = sys.getfilesystemencoding() == "utf-8"


class WorkTree(ListedTree):
    """git's view of the working tree: tracked files as they are on disk, and untracked ones that are not ignored.

    A file is executable by its owner's bit, which no umask takes away, or by the index where `core.fileMode` is
    false. Bytes are those on disk: a checkout with `core.autocrlf=true` has other bytes than one without. A submodule
    and a repository that lies in this one are seen as their own git sees them.
    """

    def __init__(self, top: Path, folder: str = "") -> None:
        super().__init__()
        self.top = top
        self.folder = through_links(folder, lambda path: _text_of_link(top / path))
        self.label = f"the work tree {top / self.folder}"
        self._root = os.fsencode(top / self.folder) + b"/"
        self._plain = os.fsdecode(self._root)
        self._seen: dict[str, Seen] = {}
        self._cache = DigestCache(top / self.folder)

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """See Tree: files that are as they were when they were hashed before are not read again."""
        entries, found = self.entries(), self._digests
        wanted = [path for path in paths if path not in found]
        found |= self._cache.known(self._seen, [path for path in wanted if entries[path].kind == "file"])
        for path in wanted:
            if path not in found:
                self.digest(path)
        self._cache.save(self._seen)
        return found

    def digest(self, path: str) -> str:
        """See Tree."""
        if path not in self._digests:
            entry = self._entry(path)
            if entry.kind == "link":
                return super().digest(path)
            self._settle(path, self._hash(path))
        return self._digests[path]

    def _hash(self, path: str) -> str:
        """The digest of a file, noted where nothing was written to it while it was read."""
        try:
            handle = os.open(self._on_disk(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(path, error) from None
        try:
            before = os.fstat(handle)
            hashed = hashlib.sha256(piece := os.read(handle, _PIECE))
            while len(piece) == _PIECE or (piece and before.st_size > _PIECE):
                hashed.update(piece := os.read(handle, _PIECE))
            after, digest = seen(os.fstat(handle)), hashed.hexdigest()
        except OSError as error:
            raise self._unreadable(path, error) from None
        finally:
            os.close(handle)
        if seen(before) == after == self._seen.get(path):
            self._cache.put(path, after, digest)
        return digest

    def _list(self) -> Iterable[Entry]:
        keeps_mode, keeps_links = git.file_settings(self.top)
        real = {"": True}
        start = len(self.folder) + 1 if self.folder else 0
        conflicts: set[str] = set()
        for tag, whole, index_mode, stage in git.listing(self.top, self.folder):
            path = whole[start:]
            folder = path.rpartition("/")[0]
            if stage not in ("", "0"):
                if path not in conflicts:
                    conflicts.add(path)
                    yield Entry(path, "file", problem=_conflict(whole))
                continue
            if path.endswith("/"):
                yield from self._nested(path[:-1])
                continue
            try:
                there = real[folder] if folder in real else self._is_real(folder, real)
                found = os.lstat(self._on_disk(path)) if there else None
            except (FileNotFoundError, NotADirectoryError):
                found = None
            except OSError as error:
                yield Entry(path, "file", problem=self._unreadable(path, error))
                continue
            if found is None:
                if index_mode == "160000":
                    yield Entry(path, "file", problem=_not_checked_out(whole))
                elif tag == "S":
                    yield Entry(path, "file", problem=_sparse(whole))
                continue
            kind = stat.S_IFMT(mode := found.st_mode)
            if kind == stat.S_IFDIR:
                if index_mode == "160000":
                    yield from self._nested(path)
                continue
            if kind not in (stat.S_IFREG, stat.S_IFLNK):
                yield Entry(path, "file", problem=self._odd(path))
                continue
            link = kind == stat.S_IFLNK or (index_mode == "120000" and not keeps_links)
            runs = not link and (bool(mode & stat.S_IXUSR) if keeps_mode else index_mode == "100755")
            self._seen[path] = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
            yield Entry(path, "link" if link else "file", runs, None if path.isascii() else _not_utf8(path))

    def _is_real(self, folder: str, real: dict[str, bool]) -> bool:
        """Whether a folder is one, and no link to elsewhere."""
        if folder not in real:
            above = self._is_real(folder.rpartition("/")[0], real)
            real[folder] = above and not os.path.islink(self._on_disk(folder))  # noqa: PTH114  (pathlib takes no bytes)
        return real[folder]

    def _on_disk(self, path: str) -> str | bytes:
        """Where a path of git's is on disk, whose names are UTF-8: the locale may be none that has them."""
        return self._plain + path if _UTF8 else self._root + path.encode(errors="surrogateescape")

    def _nested(self, path: str) -> Iterator[Entry]:
        """The files of a repository in this one: a submodule, or a clone that lies here."""
        top = Path(os.fsdecode(self._on_disk(path)))
        if not (top / ".git").exists():
            yield Entry(path, "file", problem=_not_checked_out(posixpath.join(self.folder, path)))
            return
        inner = WorkTree(top)
        try:
            entries = inner.entries()
        except ImageyardError as error:
            yield Entry(path, "file", problem=error)
            return
        prefix = f"{path}/"
        self._seen |= {prefix + name: seen for name, seen in inner._seen.items()}
        for entry in entries.values():
            yield entry._replace(path=prefix + entry.path)

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        where = self._on_disk(entry.path)
        try:
            if entry.kind == "link" and os.path.islink(where):  # noqa: PTH114
                yield os.readlink(os.fsencode(where))  # noqa: PTH115
                return
            with open(where, "rb", buffering=0) as file:  # noqa: PTH123  (the name may not be in the locale's encoding)
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise self._unreadable(entry.path, error) from None

    def _unreadable(self, path: str, error: OSError) -> EnvironmentLacks | Transient:
        if isinstance(error, FileNotFoundError):
            return Transient(
                f"{path} vanished while it was being read", doing=f"reading {self.label}", hint="run again"
            )
        return EnvironmentLacks(f"cannot read {path}: {error.strerror}", doing=f"reading {self.label}")

    def _odd(self, path: str) -> ConfigurationError:
        return ConfigurationError(
            f"{path} is neither a file nor a link nor a folder",
            doing=f"listing {self.label}",
            hint=f"remove it, or restore it: git checkout -- {path}",
        )


class GitTree(ListedTree):
    """The tree of a revision, with bytes as a checkout on this machine would write them. Only what is asked is read."""

    def __init__(self, top: Path, rev: str, folder: str = "") -> None:
        super().__init__()
        self.top = top
        self.rev = rev
        self._asked = folder
        self.label = f"{rev}:{folder}"
        self._blobs: dict[str, tuple[Revision, git.TreeEntry]] = {}

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """See Tree: git reads all of these in few calls, and nothing else."""
        wanted: dict[Revision, dict[git.TreeEntry, list[str]]] = {}
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
    def _commit(self) -> str:
        return git.resolve(self.top, self.rev)

    @cached_property
    def folder(self) -> str:
        """The folder, links followed. Raises as `git.resolve` does."""
        return through_links(self._asked, self._text_of_link)

    def _text_of_link(self, path: str) -> str | None:
        found = [entry for entry in git.tree_listing(self.top, self._commit, path) if entry.path == path]
        if not found or found[0].mode != "120000":
            return None
        return git.ask(self.top, "cat-file", "blob", found[0].oid).out.decode(errors="replace")

    def _list(self) -> Iterable[Entry]:
        commit, folder = self._commit, self.folder
        listed = [
            entry
            for entry in git.tree_listing(self.top, commit, *([folder] if folder else ()))
            if not folder or entry.path.startswith(f"{folder}/")
        ]
        revision = Revision(self.top, commit, folder, listed)
        start = len(folder) + 1 if folder else 0
        for item in listed:
            path = item.path[start:]
            if item.mode == "160000":
                yield from self._nested(path, item)
                continue
            self._blobs[path] = revision, item
            kind, runs = ("link" if item.mode == "120000" else "file"), item.mode == "100755"
            yield Entry(path, kind, runs, None if path.isascii() else _not_utf8(path))  # type: ignore[arg-type]

    def _nested(self, path: str, submodule: git.TreeEntry) -> Iterator[Entry]:
        """The files of the commit that a submodule stands at, as far as this clone has it."""
        inner = GitTree(self.top / submodule.path, submodule.oid)
        try:
            if not (inner.top / ".git").exists():
                raise _not_checked_out(submodule.path)
            entries = inner.entries()
        except ImageyardError as error:
            yield Entry(path, "file", problem=error)
            return
        for entry in entries.values():
            if entry.problem is None:
                self._blobs[f"{path}/{entry.path}"] = inner._blobs[entry.path]
            yield entry._replace(path=f"{path}/{entry.path}")

    def _pieces(self, entry: Entry) -> Iterable[bytes]:
        revision, blob = self._blobs[entry.path]
        return (revision.content(blob),)


def _text_of_link(where: Path) -> str | None:
    return os.readlink(where) if where.is_symlink() else None  # noqa: PTH115


def _not_utf8(path: str) -> ConfigurationError | None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        return ConfigurationError(
            f"the name of {shown!r} is not UTF-8",
            doing=_LISTING,
            hint="rename it with git mv, or ignore it in .gitignore or .dockerignore",
        )
    return None


def _conflict(path: str) -> ConfigurationError:
    return ConfigurationError(f"{path} has a merge conflict", hint=f"resolve it, then: git add {path}")


def _sparse(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is left out by a sparse checkout",
        doing=_LISTING,
        hint=f"git sparse-checkout add {posixpath.dirname(path) or '.'}, or git sparse-checkout disable",
    )


def _not_checked_out(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"the submodule {path} is not checked out, so that its files are missing",
        doing=_LISTING,
        hint=f"git submodule update --init {path}, or ignore it in .dockerignore",
    )
