"""The bytes of files at a revision, as a checkout would write them: line endings and filters of that revision."""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from imageyard import git, process
from imageyard.errors import ConfigurationError
from imageyard.git import TreeEntry

__all__ = ["Revision"]

Ask: TypeAlias = Callable[..., process.Completed]

_ATTRIBUTES = ".gitattributes"
_BATCH = 4096
"""Files that one `git cat-file` is asked for: their names stand in one file."""


class Revision:
    """Files of a commit of the repository at `top`; `entries` are those of a folder, in which attributes may stand."""

    def __init__(self, top: Path, commit: str, folder: str, entries: Iterable[TreeEntry]) -> None:
        self._top = top
        own = [entry for entry in entries if posixpath.basename(entry.path) == _ATTRIBUTES and entry.mode != "120000"]
        self._git_dir = (
            git.ask(top, "rev-parse", "--absolute-git-dir").out.decode(errors="surrogateescape").rstrip("\n")
        )
        self._attributes = (*own, *_above(top, commit, folder))

    def content(self, entry: TreeEntry) -> bytes:
        """The bytes of a file, or a link's text. Raises ConfigurationError where git cannot produce them."""
        with self._attributed() as ask:
            return _one(entry, ask)

    def digests(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, str]]:
        """The sha256 of each file and link, in hex, in few calls and in pieces: a blob may be larger than memory.

        Raises ConfigurationError where git cannot produce one of them.
        """
        _fetch(self._top, entries)
        with self._attributed() as ask:
            # cat-file splits "OID PATH" at white space, so that it can take neither of these in its list
            even = [e for e in entries if e.mode != "120000" and "\n" not in e.path and e.path[0] not in " \t"]
            for start in range(0, len(even), _BATCH):
                yield from _batch(even[start : start + _BATCH], ask)
            for entry in set(entries).difference(even):
                yield entry, hashlib.sha256(_one(entry, ask)).hexdigest()

    @contextmanager
    def _attributed(self) -> Iterator[Ask]:
        """Ask git with the attributes of the revision: with a work tree that holds nothing else, and no index.

        `--attr-source` came with git 2.41; without it git takes them from the work tree, else from the index.
        """
        with tempfile.TemporaryDirectory(prefix="imageyard-attributes-") as name:
            for entry in self._attributes:
                path = Path(name, "tree", entry.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(git.ask(self._top, "cat-file", "blob", entry.oid).out)
            tree = Path(name, "tree")
            tree.mkdir(exist_ok=True)
            env = {"GIT_DIR": self._git_dir, "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": f"{name}/index"}
            yield partial(git.ask, tree, env=env)


def _one(entry: TreeEntry, ask: Ask) -> bytes:
    how = ("blob", entry.oid) if entry.mode == "120000" else ("--filters", f"--path={entry.path}", entry.oid)
    done = ask("cat-file", *how)
    if done.code:
        raise _unreadable(done)
    return done.out


def _batch(entries: Sequence[TreeEntry], ask: Ask) -> Iterator[tuple[TreeEntry, str]]:
    listed = "".join(f"{entry.oid} {entry.path}\n" for entry in entries).encode()
    # with filters, the size that cat-file prints is that of the blob before them (git 2.39): divide by a line of
    # ours, which no blob can hold, as it is a hash of their ids
    mark = hashlib.sha256(listed).hexdigest()
    divided = _Divided([f"{entry.oid} {mark}\n".encode() for entry in entries])
    done = ask("cat-file", f"--batch=%(objectname) {mark}", "--filters", stdin=listed, on_out=divided.feed)
    if done.code:
        raise _unreadable(done)
    found = divided.end()
    if len(found) < len(entries):
        entry = entries[len(found)]
        raise ConfigurationError(f"git has no blob {entry.oid} for {entry.path}", hint="git fetch", doing="reading")
    yield from zip(entries, found, strict=True)


class _Divided:
    """The output of `cat-file --batch`, divided by lines that are known before; each part is hashed and let go."""

    def __init__(self, heads: Sequence[bytes]) -> None:
        self._heads = heads
        self._found: list[str] = []
        self._hash = hashlib.sha256()
        self._left = b""
        self._begun = False

    def feed(self, chunk: bytes) -> None:
        self._left += chunk
        while self._step():
            pass

    def _step(self) -> bool:
        if not self._begun:
            head = self._heads[0]
            if len(self._left) < len(head):
                return False
            self._begun = self._left.startswith(head)
            self._left = self._left.removeprefix(head)
            return self._begun
        number = len(self._found) + 1
        mark = b"\n" + self._heads[number] if number < len(self._heads) else None
        at = self._left.find(mark) if mark else -1
        if mark and at >= 0:
            self._hash.update(self._left[:at])
            self._found.append(self._hash.hexdigest())
            self._hash = hashlib.sha256()
            self._left = self._left[at + len(mark) :]
            return True
        keep = len(mark) if mark else 1  # a mark may be cut in two; the last byte of all is a line break
        if len(self._left) > keep:
            self._hash.update(self._left[:-keep])
            self._left = self._left[-keep:]
        return False

    def end(self) -> list[str]:
        """The digests, fewer where a part did not begin as it had to."""
        if self._begun and len(self._found) == len(self._heads) - 1:
            self._hash.update(self._left.removesuffix(b"\n"))
            self._found.append(self._hash.hexdigest())
        return self._found


def _above(top: Path, commit: str, folder: str) -> list[TreeEntry]:
    """The attribute files in the folders above one."""
    parts = folder.split("/") if folder else []
    names = ["/".join([*parts[:depth], _ATTRIBUTES]) for depth in range(len(parts))]
    return list(git.tree_listing(top, commit, *names)) if names else []


def _fetch(top: Path, entries: Sequence[TreeEntry]) -> None:
    """Have a partial clone get what it lacks in one call: `cat-file` would ask its remote for one blob after another.

    The command is the one by which git itself does so (git 2.39, promisor-remote.c).
    """
    remotes = git.ask(top, "config", "--get-regexp", r"^remote\..*\.promisor$").text.splitlines()
    for line in remotes:
        name, _, value = line.partition(" ")
        remote = name.removeprefix("remote.").removesuffix(".promisor")
        if value == "true" and entries:
            flags = ("--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin")
            ids = "".join(f"{oid}\n" for oid in dict.fromkeys(entry.oid for entry in entries))
            git.ask(top, "-c", "fetch.negotiationAlgorithm=noop", "fetch", remote, *flags, stdin=ids.encode())


def _unreadable(done: process.Completed) -> ConfigurationError:
    return ConfigurationError("git cannot read a file", doing="git cat-file", detail=done.complaint.splitlines())
