"""Errors of single paths of a tree, which concern only those who want the path."""

from __future__ import annotations

import posixpath

from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError

__all__ = ["conflict", "lacks_commit", "not_checked_out", "not_utf8", "odd", "sparse", "unreadable_repository"]

_LISTING = "listing the files of a build context"


def not_utf8(path: str) -> ConfigurationError | None:
    """The error of a name that is not UTF-8, None for any other; the bytes that are not are lone surrogates."""
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


def conflict(path: str) -> ConfigurationError:
    """The error of a path that is not merged."""
    return ConfigurationError(f"{path} has a merge conflict", hint=f"resolve it, then: git add {path}")


def sparse(path: str) -> ConfigurationError:
    """The error of a tracked path that is not on disk because it is not wanted there."""
    return ConfigurationError(
        f"{path} is left out by a sparse checkout",
        doing=_LISTING,
        hint=f"git sparse-checkout add {posixpath.dirname(path) or '.'}, or git sparse-checkout disable",
    )


def odd(path: str) -> ConfigurationError:
    """The error of a device, a socket or a named pipe."""
    return ConfigurationError(
        f"{path} is neither a file nor a link nor a folder",
        doing=_LISTING,
        hint=f"remove it, or restore it: git checkout -- {path}",
    )


def not_checked_out(path: str) -> ConfigurationError:
    """The error of a submodule of which this clone has nothing."""
    return ConfigurationError(
        f"the submodule {path} is not checked out, so that its files are missing",
        doing=_LISTING,
        hint=f"git submodule update --init {path}, or ignore it in .dockerignore",
    )


def lacks_commit(path: str, commit: str) -> ConfigurationError:
    """The error of a submodule whose clone lacks the commit that is asked for."""
    return ConfigurationError(
        f"the submodule {path} lacks its commit {commit}, so that its files are missing",
        doing=_LISTING,
        hint=f"git -C {path} fetch origin {commit}, or git submodule update --init {path}",
    )


def unreadable_repository(path: str, error: ImageyardError) -> ImageyardError:
    """The error of a repository inside of another that git cannot read."""
    return EnvironmentLacks(
        f"git cannot read the repository {path}, so that its files are missing: {error.headline}",
        doing=_LISTING,
        detail=error.detail,
        hint=(*error.hint, f"or ignore {path} in .dockerignore"),
    )
