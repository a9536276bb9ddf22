"""What a build that did not succeed came to: decided by the step that failed, never by what a step wrote."""

from __future__ import annotations

import re

from imageyard.builders.progress import Failure, Progress
from imageyard.builders.request import (
    BuildInterrupted,
    BuildTimedOut,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Unreachable,
)
from imageyard.builders.vertex import WAITING

__all__ = ["failed", "judge", "timed_out"]

# What gRPC and Go's net package say of a connection; looked for in buildx's own last error only, never in a step's.
_CONNECTION = re.compile(
    r"cannot connect to the docker daemon|^error during connect|code = unavailable|^unavailable:"
    r"|error reading from server|transport is closing"
    r"|connection refused|connection reset by peer|broken pipe|closed network connection|unexpected EOF|\bEOF$"
    r"|failed to list workers|failed to dial|error dialing|dial (tcp|unix)|no such host|context deadline exceeded"
    r"|i/o timeout|no active session|goaway|waiting for connection|docker daemon socket|docker api at",
    re.IGNORECASE | re.MULTILINE,
)
_CONTEXT = "[internal] load remote build context"
_SESSION = re.compile(r"no http response from session|no active session")
"""The builder could not fetch the tar that buildx holds out to it: BuildKit waits 5 s for the session (`source/http`).
Seen on a busy machine; nothing that the Dockerfile says is to blame."""
_STOPPED = re.compile(r"context canceled$|code = canceled|^canceled:", re.IGNORECASE | re.MULTILINE)
_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_DISK_HINT = "the builder's disk is full: look with `docker system df`, make room with `docker builder prune`"

# containerd 2.1 and 1.7, core/remotes/docker: `unexpected status from HEAD request to URL: 503 Service Unavailable`,
# `failed to do request: Put "URL": read tcp ...: connection reset by peer`, `short read: expected 9 bytes but got 8`.
_BUSY = re.compile(
    r"unexpected (http )?status.*\b(408|429|5\d\d)\b|: (429 Too Many Requests|50[0234] [A-Z])|toomanyrequests"
    r"|connection refused|connection reset by peer|broken pipe|closed network connection|\bEOF\b|short read: expected"
    r"|i/o timeout|TLS handshake timeout|Client\.Timeout exceeded|context deadline exceeded|no active session"
    r"|server misbehaving|no route to host|network is unreachable|server sent GOAWAY|stream error",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"unexpected (http )?status.*\b(401|403)\b|: (401 Unauthorized|403 Forbidden)|no basic auth credentials"
    r"|: (denied|unauthorized): |push access denied"  # codes of the OCI distribution-spec, as containerd words them
)
_RETRY_AFTER = re.compile(r"retry-?after:? ?(\d{1,6})\b", re.IGNORECASE)


def judge(progress: Progress, code: int) -> Outcome:
    """What a build came to that ended with `code`, not 0. A step that says it failed decides, not what it wrote."""
    failure = progress.failure()
    if not failure.by_step or failure.step.startswith(WAITING):
        if code < 0 or code == 130 or _STOPPED.search(failure.message):
            return BuildInterrupted()
        if _CONNECTION.search(failure.message) or _SESSION.search(failure.message) or failure.by_step:
            return Lost(failure.message) if progress.started else Unreachable(failure.message)
    elif failure.step.startswith(_CONTEXT) and _SESSION.search(failure.message):
        return Lost(failure.message)
    elif failure.phase in ("resolve", "export", "cache") and not _DISK_FULL.search(failure.message):
        busy, denied = _BUSY.search(failure.message), _DENIED.search(failure.message)
        if busy or denied:
            again = _RETRY_AFTER.search(failure.message)
            return RegistryFailed(
                phase=failure.phase,
                cause=failure.message,
                denied=not busy,
                retry_after=float(again[1]) if again else None,
                ran=progress.ran,
                cut_off=progress.cut_off,
                steps=progress.steps,
            )
    return failed(progress, failure)


def failed(progress: Progress, failure: Failure) -> Failed:
    """A failure as it is told, with a hint where the builder's disk is full."""
    full = _DISK_FULL.search("\n".join((failure.message, *failure.lines)))
    return Failed(
        step=failure.step,
        dockerfile=failure.dockerfile,
        line=failure.line,
        exit_code=failure.exit_code,
        lines=failure.lines,
        message=failure.message,
        hint=_DISK_HINT if full else "",
        steps=progress.steps,
        warnings=tuple(progress.warnings),
        phase=failure.phase,
    )


def timed_out(progress: Progress, timeout: float | None) -> BuildTimedOut:
    """A build that was stopped after `timeout` seconds, as it is told: where it stood, and its last lines."""
    step, lines = progress.at
    failure = progress.failure()
    return BuildTimedOut(
        step=step,
        dockerfile=failure.dockerfile,
        line=failure.line,
        exit_code=failure.exit_code,
        lines=lines,
        message=f"the build did not end within {timeout:.0f} s",
        steps=progress.steps,
        warnings=tuple(progress.warnings),
    )
