"""Forms of values that several parts of the catalogue's grammar share."""

from __future__ import annotations

from imageyard.catalogue import scalars
from imageyard.catalogue.kinds import Scalar

__all__ = ["ABSOLUTE", "ARG", "ARG_NAME", "DURATION", "FILLED", "LANE_NAME", "REPOSITORY", "YES_NO", "words"]

ARG = r"[A-Za-z_][A-Za-z0-9_]*"
"""The form of an arg's name."""

YES_NO = Scalar("yes or no", scalars.boolean, form={"enum": [True, False, "yes", "no", "true", "false"]})
DURATION = Scalar("a duration such as 240m", scalars.duration, form={"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"})
LANE_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
"""How a lane is called: lower-case letters, digits and single dashes."""
REPOSITORY = Scalar("a repository, HOST/REPOSITORY,", scalars.repository, form={"type": "string"})
FILLED = Scalar("text", scalars.free_text, fill=True)
ARG_NAME = Scalar("the name of a build arg", scalars.pattern(ARG, "the name of a build arg"))
ABSOLUTE = Scalar("an absolute path", scalars.absolute_path, form={"type": "string", "pattern": "^/"})


def words(*allowed: str) -> Scalar:
    """Return the form of a value that is one of these words."""
    return Scalar(f"one of {', '.join(allowed)}", scalars.choice(*allowed), form={"enum": list(allowed)})
