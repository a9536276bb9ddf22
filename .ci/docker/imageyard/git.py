"""Questions to git: where the work tree is, what is in it and in a revision, whether it is dirty or shallow."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from imageyard import process
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError

__all__ = [
    "TreeEntry",
    "ask",
    "at_top",
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


class TreeEntry(NamedTuple):
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
    return path_of(done.out)


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


def listing(top: Path, folder: str = "", only: str = "") -> Iterator[tuple[str, str, str, str]]:
    """What git sees of the work tree under `folder`, in one call: tracked, and untracked but not ignored.

    With `only`, of one file or folder there.

    Each is a tag, a path, a mode and a stage; the last two are empty for a path that is untracked. Paths are relative
    to `top`. Tags (git-ls-files(1), `-t`): `H` tracked, `S` skip-worktree, `M` unmerged, `?` untracked; an untracked
    path that ends in `/` is a repository of its own. A path listed as tracked may be missing on disk. A name that is
    not UTF-8 has the bytes that are not as lone surrogates (PEP 383).
    Raises EnvironmentLacks where git refuses, or `top` is only inside of a repository.
    """
    where = ["--", f"{folder}/{only}".lstrip("/")] if folder or only else []
    how = ("-z", "-t", "--stage", "--others", "--exclude-standard")
    done = ask(top, "ls-files", *how, *where, env=at_top(top))
    if done.code:
        raise refusal(top, done, "listing the files of the work tree")
    # `? PATH` or `H 100644 OID STAGE<tab>PATH`
    for item in done.out.decode(errors="surrogateescape").split("\0")[:-1]:
        if item[0] == "?":
            yield "?", item[2:], "", ""
        else:
            tab = item.index("\t")
            yield item[0], item[tab + 1 :], item[2:8], item[tab - 1]


def tree_listing(
    top: Path, commit: str, *paths: str, recursive: bool = True, env: Mapping[str, str] | None = None
) -> Iterator[TreeEntry]:
    """The files, links and submodules of a commit, or those of `paths` and below, relative to `top`.

    Without `recursive`, `paths` alone, folders among them. A name that is not UTF-8 has the bytes that are not as lone
    surrogates (PEP 383). Raises EnvironmentLacks where git refuses.
    """
    flags = ["-r"] if recursive else []
    where = ["--", *paths] if paths else []
    done = ask(top, "ls-tree", *flags, "-z", "--full-tree", commit, *where, env=env)
    if done.code:
        raise refusal(top, done, f"listing the files at {commit}")
    # `100644 blob OID<tab>PATH`
    for item in done.out.decode(errors="surrogateescape").split("\0")[:-1]:
        facts, _, name = item.partition("\t")
        yield TreeEntry(name, facts[:6], facts.rpartition(" ")[2])


def file_settings(top: Path) -> tuple[bool, bool]:
    """Whether the work tree's file system keeps the executable bit, and symbolic links: `core.fileMode`, `symlinks`."""
    done = ask(top, "config", "-z", "--type=bool", "--get-regexp", r"^core\.(filemode|symlinks)$")
    found = dict(item.split(b"\n", 1) for item in items(done.out))
    return found.get(b"core.filemode") != b"false", found.get(b"core.symlinks") != b"false"


def ask(
    where: Path,
    *args: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_out: Callable[[bytes], None] | None = None,
) -> process.Completed:
    """Ask git, apart from anything of the caller's environment but what decides who owns the repository.

    `on_out` is handed what it prints, in pieces, which are not kept then.
    """
    fixed_env = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
    if "SUDO_UID" in os.environ:
        fixed_env["SUDO_UID"] = os.environ["SUDO_UID"]
    git = process.find("git", hint=_INSTALL)
    fixed = ("--literal-pathspecs", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false")
    argv = [git, "-C", str(where), *fixed, *args]
    return process.run(argv, env={**(env or {}), **fixed_env}, stdin=stdin, timeout=timeout, on_out=on_out)


def path_of(out: bytes) -> Path:
    """The path that git printed in a line of its own."""
    return Path(os.fsdecode(out.rstrip(b"\n")))


def at_top(top: Path) -> Mapping[str, str]:
    """Variables with which git takes `top` for the top of a work tree, or for none: it looks no further upwards."""
    return {"GIT_CEILING_DIRECTORIES": str(top.parent)}


def items(out: bytes) -> list[bytes]:
    """Split what git printed with `-z`."""
    return [item for item in out.split(b"\0") if item]


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
