"""The pull requests and issues of a repository at GitHub."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.ci.providers.github.api import Api
from imageyard.errors import Transient

__all__ = ["GitHubForge"]


class GitHubForge:
    """A repository at GitHub, asked by its REST API. All methods raise what `Api` does."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def open_pulls(self) -> frozenset[int]:
        """Return the numbers of the open pull requests, from all pages.

        A request that is closed while pages are read moves the ones behind it to pages that were read already; the
        oldest come first, and whoever acts on the list asks `is_open` again for what it lacks.
        """
        numbers = set()
        for pull in self._api.every("pulls", state="open", sort="created", direction="asc"):
            number = pull.get("number") if isinstance(pull, Mapping) else None
            if not isinstance(number, int):
                raise Transient("GitHub answered with a pull request without a number", doing="listing the open ones")
            numbers.add(number)
        return frozenset(numbers)

    def is_open(self, number: int) -> bool:
        """Return whether a pull request is open."""
        pull = self._api.ask("GET", f"pulls/{number}")
        state = pull.get("state") if isinstance(pull, Mapping) else None
        if state not in ("open", "closed"):
            raise Transient(f"GitHub does not say whether pull request {number} is open", doing="asking GitHub")
        return bool(state == "open")

    def report(self, mark: str, title: str, body: str, comment: str) -> str:
        """Open an issue, or comment on the open one; returns its address.

        An issue counts only where a bot opened it: anybody may write a mark. GitHub lists pull requests as issues too.
        """
        for issue in self._api.every("issues", state="open"):
            ours = (issue.get("user") or {}).get("type") == "Bot" and str(issue.get("body") or "").startswith(mark)
            if ours and "pull_request" not in issue:
                self._api.ask("POST", f"issues/{issue['number']}/comments", {"body": comment})
                return str(issue["html_url"])
        return str(self._api.ask("POST", "issues", {"title": title, "body": body})["html_url"])
