"""Questions to git: where the work tree is, what is in it and in a revision, whether it is dirty or shallow."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imageyard import process
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError

__all__ = [
    "IndexEntry",
    "TreeEntry",
    "ask",
    "blobs",
    "branch",
    "containing",
    "file_settings",
    "head",
    "is_shallow",
    "items",
    "listing",
    "origin",
    "path_of",
    "refusal",
    "remote_branches",
    "resolve",
    "top",
    "tree_id",
    "tree_listing",
]

_INSTALL = "install git, on Debian and Ubuntu: sudo apt-get install git"
_BRANCH = re.compile(r"[\w.][\w./-]*")  # what no shell reads in another way
_OWNED = re.compile(r"detected dubious ownership in repository at '([^']*)'")


@dataclass(frozen=True)
class IndexEntry:
    """A path of the work tree as `git ls-files -t` lists it; `mode` and `stage` are empty for one that is untracked."""

    tag: str
    path: str
    mode: str = ""
    stage: str = ""


@dataclass(frozen=True)
class TreeEntry:
    """A path of a revision: its mode, as in the tree object, and the id of its blob or commit."""

    path: str
    mode: str
    oid: str


def top(path: Path | str) -> Path:
    """The top folder of the work tree that holds `path`.

    Raises EnvironmentLacks where there is no repository, it belongs to another user, or git is not installed.
    """
    start = Path(path)
    start = start if start.is_dir() else start.parent
    done = ask(start, "rev-parse", "--show-toplevel")
    if done.code:
        raise refusal(start, done, "looking for the git repository")
    return Path(os.fsdecode(done.out.rstrip(b"\n")))


def head(top: Path) -> str:
    """The id of the commit that is checked out. Raises as `resolve` does."""
    return resolve(top, "HEAD")


def resolve(top: Path, rev: str) -> str:
    """The commit's id that `rev` names.

    Raises ConfigurationError for a revision that is not there, with what to type where the clone is shallow.
    """
    done = ask(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if done.code == 0:
        return done.text.splitlines()[-1]
    probe = ask(top, "rev-parse", "--is-shallow-repository")
    if probe.code:
        raise refusal(top, probe, f"looking for revision {rev!r}")
    if rev == "HEAD":
        raise ConfigurationError("the repository has no commit yet", hint="git add -A && git commit")
    hint = "git branch --all and git tag list the names that this clone knows; git fetch gets those of its remote"
    shallow = probe.text == "true"
    if shallow:
        hint = "the clone is shallow: git fetch --unshallow, or git fetch --depth=1 origin REV for that commit alone"
    remote, _, branch = rev.partition("/")
    if _BRANCH.fullmatch(branch) and remote in ask(top, "remote").text.splitlines():
        depth = " --depth=1" if shallow else ""
        hint = f"git fetch{depth} {remote} +refs/heads/{branch}:refs/remotes/{rev}"
    raise ConfigurationError(f"unknown revision {rev!r}", doing="asking git for a commit", hint=hint)


def tree_id(top: Path, rev: str, folder: str) -> str:
    """The id of the git tree of `folder` at `rev`, `""` being the whole tree; what `git rev-parse REV:FOLDER` prints.

    Raises ConfigurationError where there is no such revision, or no such folder in it.
    """
    where = f":{folder}/" if folder else "^{tree}"
    done = ask(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{resolve(top, rev)}{where}")
    if done.code:
        raise ConfigurationError(f"{folder!r} is not a folder at {rev}", doing="asking git for the id of a tree")
    return done.text


def origin(top: Path) -> str:
    """The URL of the remote `origin` as git has it, credentials and all; empty where there is none."""
    return ask(top, "config", "--get", "remote.origin.url").text


def branch(top: Path) -> str | None:
    """The branch that is checked out, None where HEAD is detached."""
    return ask(top, "symbolic-ref", "--quiet", "--short", "HEAD").text or None


def remote_branches(top: Path, remote: str = "origin") -> tuple[str, ...]:
    """The branches of a remote that the clone knows. Raises EnvironmentLacks where git refuses."""
    return _remote_branches(top, f"refs/remotes/{remote}/")


def containing(top: Path, commit: str, branches: Sequence[str], remote: str = "origin") -> tuple[str, ...]:
    """Those of a remote's branches that contain a commit, as far as the clone has their history.

    Raises EnvironmentLacks where git refuses.
    """
    prefix = f"refs/remotes/{remote}/"
    refs = [f"{prefix}{one}" for one in branches]
    found = _remote_branches(top, prefix, f"--contains={commit}", "--", *refs) if refs else ()
    return tuple(one for one in found if one in branches)  # a pattern of for-each-ref names what is below it too


def _remote_branches(top: Path, prefix: str, *which: str) -> tuple[str, ...]:
    done = ask(top, "for-each-ref", "--format=%(refname) %(symref)", *(which or [prefix]))
    if done.code:
        raise refusal(top, done, "asking git for branches")
    pairs = [line.partition(" ") for line in done.text.splitlines()]
    return tuple(ref.removeprefix(prefix) for ref, _, symref in pairs if not symref)


def is_shallow(top: Path) -> bool:
    """Whether the clone lacks part of its history."""
    return ask(top, "rev-parse", "--is-shallow-repository").text == "true"


def listing(top: Path, folder: str = "") -> Iterator[IndexEntry]:
    """What git sees of the work tree under `folder`, in one call: tracked, and untracked but not ignored.

    Paths are relative to `top`. Tags (git-ls-files(1), `-t`): `H` tracked, `S` skip-worktree, `M` unmerged,
    `?` untracked; an untracked path that ends in `/` is a repository of its own. A path listed as tracked may be
    missing on disk. Raises EnvironmentLacks where git refuses, ConfigurationError for a name that is not UTF-8.
    """
    where = ["--", f"{folder}/"] if folder else []
    done = ask(top, "ls-files", "-z", "-t", "--stage", "--others", "--exclude-standard", *where)
    if done.code:
        raise refusal(top, done, "listing the files of the work tree")
    for item in items(done.out):
        tag, rest = item[:1].decode(), item[2:]
        if tag == "?":
            yield IndexEntry(tag, path_of(rest))
        else:
            facts, _, name = rest.partition(b"\t")
            mode, _, stage = facts.decode().split(" ")
            yield IndexEntry(tag, path_of(name), mode, stage)


def tree_listing(top: Path, rev: str, folder: str = "") -> Iterator[TreeEntry]:
    """The files, links and submodules of `folder` at `rev`, relative to `top`; none where `rev` has no such folder.

    Raises as `resolve` does, and ConfigurationError for a name that is not UTF-8.
    """
    where = ["--", f"{folder}/"] if folder else []
    done = ask(top, "ls-tree", "-r", "-z", "--full-tree", resolve(top, rev), *where)
    if done.code:
        raise refusal(top, done, f"listing the files at {rev}")
    for item in items(done.out):
        facts, _, name = item.partition(b"\t")
        mode, _, oid = facts.decode().split(" ")
        yield TreeEntry(path_of(name), mode, oid)


def blobs(top: Path, entries: Sequence[TreeEntry]) -> list[bytes]:
    """The bytes of files and links as a checkout would write them (line endings, filters), in order, by one call.

    Raises ConfigurationError where git cannot produce one of them.
    """
    # cat-file splits "OID PATH" at white space, so that it can take neither of these in its list
    odd = [e.mode == "120000" or "\n" in e.path or e.path[0] in " \t" for e in entries]
    even = [entry for entry, alone in zip(entries, odd, strict=True) if not alone]
    batch = iter(_batch(top, even) if even else ())
    return [_blob(top, entry) if alone else next(batch) for entry, alone in zip(entries, odd, strict=True)]


def file_settings(top: Path) -> tuple[bool, bool]:
    """Whether the work tree's file system keeps the executable bit, and symbolic links: `core.fileMode`, `symlinks`."""
    done = ask(top, "config", "-z", "--type=bool", "--get-regexp", r"^core\.(filemode|symlinks)$")
    found = dict(item.split(b"\n", 1) for item in items(done.out))
    return found.get(b"core.filemode") != b"false", found.get(b"core.symlinks") != b"false"


def _batch(top: Path, entries: Sequence[TreeEntry]) -> list[bytes]:
    listed = "".join(f"{entry.oid} {entry.path}\n" for entry in entries).encode()
    # with filters, the size that cat-file prints is that of the blob before them (git 2.39): divide by a line of ours,
    # which no blob can hold, as it is a hash of their ids
    mark = hashlib.sha256(listed).hexdigest()
    done = ask(top, "cat-file", f"--batch=%(objectname) {mark}", "--filters", stdin=listed)
    if done.code:
        raise _unreadable(done)
    heads = [f"{entry.oid} {mark}\n".encode() for entry in entries]
    found: list[bytes] = []
    at = 0
    for number, (entry, head) in enumerate(zip(entries, heads, strict=True), 1):
        last = number == len(heads)
        end = len(done.out) - 1 if last else done.out.find(b"\n" + heads[number], at)
        if end < 0 or not done.out.startswith(head, at):
            raise ConfigurationError(f"git has no blob {entry.oid} for {entry.path}", hint="git fetch", doing="reading")
        found.append(done.out[at + len(head) : end])
        at = end + 1
    return found


def _blob(top: Path, entry: TreeEntry) -> bytes:
    how = ("blob", entry.oid) if entry.mode == "120000" else ("--filters", f"--path={entry.path}", entry.oid)
    done = ask(top, "cat-file", *how)
    if done.code:
        raise _unreadable(done)
    return done.out


def ask(
    where: Path,
    *args: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> process.Completed:
    """Ask git, apart from anything of the caller's environment but what decides who owns the repository."""
    fixed_env = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
    if "SUDO_UID" in os.environ:
        fixed_env["SUDO_UID"] = os.environ["SUDO_UID"]
    git = process.find("git", hint=_INSTALL)
    fixed = ("--literal-pathspecs", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
    argv = [git, "-C", str(where), *fixed, *args]
    return process.run(argv, env={**(env or {}), **fixed_env}, stdin=stdin, timeout=timeout)


def items(out: bytes) -> list[bytes]:
    """Split what git printed with `-z`."""
    return [item for item in out.split(b"\0") if item]


def path_of(raw: bytes) -> str:
    """Decode a path. Raises ConfigurationError for one that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        shown = raw.decode(errors="backslashreplace")
        raise ConfigurationError(
            f"the name of {shown!r} is not UTF-8",
            doing="listing the files of a build context",
            hint="rename it with git mv, or ignore it in .gitignore",
        ) from None


def _unreadable(done: process.Completed) -> ConfigurationError:
    return ConfigurationError("git cannot read a file", doing="git cat-file", detail=done.complaint.splitlines())


def refusal(where: Path, done: process.Completed, doing: str) -> ImageyardError:
    """Make the error of a question that git refused."""
    said = done.complaint
    if owned := _OWNED.search(said):
        return EnvironmentLacks(
            f"git does not trust {owned[1]}: it belongs to another user",
            doing=doing,
            hint=f"git config --global --add safe.directory '{owned[1]}'",
        )
    if "not a git repository" in said:
        return EnvironmentLacks(
            f"{where} is not in a git repository",
            doing=doing,
            hint="clone the repository with git, or make one of this folder: git init && git add -A && git commit",
        )
    if "must be run in a work tree" in said:
        return EnvironmentLacks(f"{where} is in a bare repository", doing=doing, hint="git worktree add FOLDER")
    return EnvironmentLacks("git failed", doing=doing, detail=said.splitlines())
