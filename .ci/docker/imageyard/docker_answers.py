"""What the docker CLI and the engine's API say of what they were asked, in their own words."""

from __future__ import annotations

import re
from typing import Any

from imageyard import process
from imageyard.errors import EnvironmentLacks

__all__ = ["good", "is_absent", "is_being_removed", "lacks_image"]


def lacks_image(status: int, found: Any) -> bool:
    """Whether the API answered that there is no such image."""
    return status == 404 and "no such image" in str(found).lower()


def good(answer: process.Completed, doing: str) -> process.Completed:
    """The answer itself. Raises EnvironmentLacks where the CLI failed, with what it complained of."""
    if answer.code == 0:
        return answer
    complaint = answer.complaint.splitlines() or [f"exit code {answer.code}"]
    headline = complaint[0].removeprefix("Error response from daemon: ")
    raise EnvironmentLacks(f"docker: {headline}", doing=doing, detail=complaint[1:10], hint="inv doctor")


def is_absent(answer: process.Completed) -> bool:
    """Whether the engine answered that it does not have it; an engine that cannot be reached may say `no such host`."""
    return re.search(r"no such (image|container)", answer.complaint, re.IGNORECASE) is not None


def is_being_removed(answer: process.Completed) -> bool:
    """Whether a removal was refused because somebody else's goes on (moby 28, daemon/delete.go)."""
    return answer.code != 0 and "is already in progress" in answer.complaint
