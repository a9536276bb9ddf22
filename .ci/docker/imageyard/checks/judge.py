"""Whether what a check's command did is what the image promises; expected and actual in words."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.model import Check
from imageyard.errors import ConfigurationError, assert_never
from imageyard.ran import Ended, NotStarted, Ran, TimedOut
from imageyard.records import Finding

__all__ = ["judge"]

_TAIL_LINES = 10
_TAIL_WIDTH = 500


def judge(check: Check, args: Mapping[str, str], ran: Ran) -> Finding:
    """Return the finding of one check. `args` are the image's build args; an empty one counts as unset.

    Raises ConfigurationError where what the check expects makes no sense.
    """
    try:
        return _judged(check, args, ran)
    except ConfigurationError as error:
        raise ConfigurationError(f"check {check.name}: {error.headline}", at=check.where, hint=error.hint) from None


def _judged(check: Check, args: Mapping[str, str], ran: Ran) -> Finding:
    expected = check.expects.expected(args)
    match ran:
        case NotStarted(why):
            return Finding(check.name, False, expected, "no answer: the container did not start", why)
        case TimedOut(seconds, out, err):
            actual = f"no answer within {seconds:g} s"
            return Finding(check.name, False, expected, actual, _command(check), _tail(out, err))
        case Ended(_, out, err):
            ok, actual = check.expects.judge(ran, args)
            if ok:
                return Finding(check.name, True, expected, actual, "", ())
            return Finding(check.name, False, expected, actual, _command(check), _tail(out, err))
        case _:
            return assert_never(ran)


def _command(check: Check) -> str:
    return f"ran: {' '.join(check.run)}"


def _tail(out: str, err: str) -> tuple[str, ...]:
    kept = [line.rstrip() for line in (*out.splitlines(), *err.splitlines()) if line.strip()]
    return tuple(line[:_TAIL_WIDTH] for line in kept[-_TAIL_LINES:])
