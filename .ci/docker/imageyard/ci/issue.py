"""One issue for scheduled runs that fail: opened once, and told of every further failure."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.ci.providers.github import environment as github
from imageyard.ci.providers.github.api import Api

__all__ = ["tell"]

_MARK = "<!-- imageyard: scheduled builds -->"
_TITLE = "Scheduled image builds fail"


def tell(environ: Mapping[str, str]) -> str:
    """Open the issue, or tell the one that is open of this run; returns its address.

    It is known by a mark in its text that no reader sees, and only where a bot opened it: anybody may write a mark.
    Raises what `Api` does.
    """
    api = Api(environ)
    run = github.run_address(environ, api.repository)
    said = f"The scheduled run {run} of {github.workflow(environ)} failed; its summary says why."
    for issue in api.every("issues", state="open"):
        ours = (issue.get("user") or {}).get("type") == "Bot" and str(issue.get("body") or "").startswith(_MARK)
        if ours and "pull_request" not in issue:
            api.ask("POST", f"issues/{issue['number']}/comments", {"body": said})
            return str(issue["html_url"])
    body = f"{_MARK}\n{said}\n\nFurther failures are told in comments. Close it when a scheduled run has succeeded.\n"
    return str(api.ask("POST", "issues", {"title": _TITLE, "body": body})["html_url"])
