"""The bytes of files at a revision, as a checkout would write them: line endings and filters of that revision."""

from __future__ import annotations

import hashlib
import posixpath
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from imageyard import git, process
from imageyard.errors import ConfigurationError
from imageyard.git import TreeEntry

__all__ = ["ATTRIBUTES", "Clone", "Revision"]

Ask: TypeAlias = Callable[..., process.Completed]

ATTRIBUTES = ".gitattributes"
_BATCH = 4096
"""Files that one `git cat-file` is asked for: their names stand in one file."""


@dataclass(frozen=True)
class Clone:
    """A repository: the folder in which git is asked, that in which filters run, and where git would not find it."""

    where: Path
    work_tree: Path
    git_dir: Path | None = None

    @property
    def _env(self) -> dict[str, str] | None:
        """A work tree, which nothing here is about: the one that the repository names may be gone."""
        return {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.where)} if self.git_dir else None

    def ask(self, *args: str, **options: Any) -> process.Completed:
        """See `git.ask`."""
        return git.ask(self.where, *args, env=self._env, **options)

    def listing(self, commit: str, *paths: str, recursive: bool = True) -> Iterator[TreeEntry]:
        """See `git.tree_listing`."""
        return git.tree_listing(self.where, commit, *paths, recursive=recursive, env=self._env)


class Revision:
    """Files of a commit; `entries` are those of a folder, in which attributes may stand."""

    def __init__(self, clone: Clone, commit: str, folder: str, entries: Iterable[TreeEntry]) -> None:
        self._clone = clone
        self._commit = commit
        self._folder = folder
        self._own = [e for e in entries if posixpath.basename(e.path) == ATTRIBUTES and e.mode != "120000"]

    def content(self, entry: TreeEntry) -> bytes:
        """The bytes of a file, or a link's text. Raises ConfigurationError where git cannot produce them."""
        if entry.mode == "120000":
            return self._blob(entry)
        with self._attributed() as ask:
            return _printed(ask("cat-file", "--filters", f"--path={entry.path}", entry.oid))

    def digests(self, entries: Sequence[TreeEntry]) -> Iterator[tuple[TreeEntry, str]]:
        """The sha256 of each file and link, in hex, in few calls and in pieces: a blob may be larger than memory.

        Raises ConfigurationError where git cannot produce one of them.
        """
        self._fetch(entries)
        links = [entry for entry in entries if entry.mode == "120000"]
        for some in _batches(links):
            yield from _batch(some, "".join(f"{entry.oid}\n" for entry in some), self._clone.ask)
        with self._attributed() as ask:
            files = [entry for entry in entries if entry.mode != "120000"]
            # cat-file splits "OID PATH" at white space, so that it can take neither of these in its list
            odd = {entry for entry in files if "\n" in entry.path or entry.path[0] in " \t"}
            for some in _batches([entry for entry in files if entry not in odd]):
                listed = "".join(f"{entry.oid} {entry.path}\n" for entry in some)
                yield from _batch(some, listed, ask, "--filters")
            for entry in odd:
                yield entry, hashlib.sha256(self.content(entry)).hexdigest()

    @contextmanager
    def _attributed(self) -> Iterator[Ask]:
        """Ask git with the attributes of the revision: with a work tree that holds nothing else, and no index.

        `--attr-source` came with git 2.41; without it git takes them from the work tree, else from the index.
        """
        with tempfile.TemporaryDirectory(prefix="imageyard-attributes-") as name:
            tree = Path(name, "tree")
            tree.mkdir()
            for path, data in self._attributes.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(data)
            env = {"GIT_DIR": self._git_dir, "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": f"{name}/index"}

            def ask(command: str, *args: str, **options: Any) -> process.Completed:
                return git.ask(tree, *self._filters, command, *args, env=env, **options)

            yield ask

    @cached_property
    def _git_dir(self) -> str:
        return str(self._clone.git_dir or git.path_of(self._clone.ask("rev-parse", "--absolute-git-dir").out))

    @cached_property
    def _attributes(self) -> dict[str, bytes]:
        """The attribute files of the folder, and of those above it."""
        parts = self._folder.split("/") if self._folder else []
        names = ["/".join([*parts[:depth], ATTRIBUTES]) for depth in range(len(parts))]
        above = self._clone.listing(self._commit, *names, recursive=False) if names else ()
        files = (*self._own, *(entry for entry in above if entry.mode != "120000"))
        return {entry.path: self._blob(entry) for entry in files}

    @cached_property
    def _filters(self) -> tuple[str, ...]:
        """Settings with which filters run where they do in a checkout: at the top of the real work tree."""
        set_there = self._clone.ask("config", "-z", "--get-regexp", r"^filter\..*\.(smudge|process)$")
        found = dict(line.split("\n", 1) for line in set_there.out.decode(errors="surrogateescape").split("\0") if line)
        go = f"unset GIT_WORK_TREE GIT_INDEX_FILE; cd {shlex.quote(str(self._clone.work_tree))} && "
        flags: list[str] = []
        for key, command in found.items():
            if command:
                # in a smudge command, `%f` is the path
                flags += ["-c", f"{key}={go.replace('%', '%%') if key.endswith('.smudge') else go}{command}"]
        return tuple(flags)

    def _blob(self, entry: TreeEntry) -> bytes:
        return _printed(self._clone.ask("cat-file", "blob", entry.oid))

    def _fetch(self, entries: Sequence[TreeEntry]) -> None:
        """Have a partial clone get what it lacks in one call: `cat-file` would ask its remote for one after another.

        The command is the one by which git itself does so (git 2.39, promisor-remote.c).
        """
        for line in self._clone.ask("config", "--get-regexp", r"^remote\..*\.promisor$").text.splitlines():
            name, _, value = line.rpartition(" ")
            if value != "true":
                continue
            walk = ("rev-list", "--quiet", "--objects", "--no-walk", "--missing=print", self._commit)
            lacking = {line[1:] for line in self._clone.ask(*walk).text.splitlines() if line.startswith("?")}
            if not (ids := sorted(lacking.intersection(entry.oid for entry in (*entries, *self._own)))):
                return
            remote = name.removeprefix("remote.").removesuffix(".promisor")
            flags = ("--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin")
            wanted = "".join(f"{oid}\n" for oid in ids).encode()
            self._clone.ask("-c", "fetch.negotiationAlgorithm=noop", "fetch", remote, *flags, stdin=wanted)


def _batches(entries: Sequence[TreeEntry]) -> Iterator[Sequence[TreeEntry]]:
    return (entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH))


def _batch(entries: Sequence[TreeEntry], listed: str, ask: Ask, *flags: str) -> Iterator[tuple[TreeEntry, str]]:
    # with filters, the size that cat-file prints is that of the blob before them (git 2.39): divide by a line of
    # ours, which no blob can hold, as it is a hash of their ids
    mark = hashlib.sha256(listed.encode()).hexdigest()
    divided = _Divided([f"{entry.oid} {mark}\n".encode() for entry in entries])
    done = ask("cat-file", *flags, f"--batch=%(objectname) {mark}", stdin=listed.encode(), on_out=divided.feed)
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


def _printed(done: process.Completed) -> bytes:
    if done.code:
        raise _unreadable(done)
    return done.out


def _unreadable(done: process.Completed) -> ConfigurationError:
    return ConfigurationError("git cannot read a file", doing="git cat-file", detail=done.complaint.splitlines())
