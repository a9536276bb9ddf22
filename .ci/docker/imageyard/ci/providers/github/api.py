"""GitHub's REST API, as far as a job needs it: lists of all pages, and one request at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, Transient
from imageyard.http.failures import NoAnswer
from imageyard.http.transport import Http, Reply

__all__ = ["Api"]

_PAGE = 100  # the most that GitHub gives at once

_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer: a page has 100 pull requests, each with its author's text of up to 65,536 characters."""


class Api:
    """The API as the job's token may use it (docs.github.com, "REST API"). The token goes nowhere but there."""

    def __init__(self, environ: Mapping[str, str], http: Http | None = None) -> None:
        """Raises EnvironmentLacks where the job has no token, ConfigurationError where it says no repository."""
        self._http = http or Http()
        self._url = environ.get("GITHUB_API_URL") or "https://api.github.com"
        self._token = environ.get("GITHUB_TOKEN", "")
        self.repository = environ.get("GITHUB_REPOSITORY", "")
        if not self._token:
            raise EnvironmentLacks(
                "GITHUB_TOKEN is not set",
                doing="asking GitHub",
                hint="give it to the step: env: {GITHUB_TOKEN: ${{ github.token }}}",
            )
        if self.repository.count("/") != 1:
            raise ConfigurationError(f"GITHUB_REPOSITORY is {self.repository!r}, not OWNER/NAME")

    def every(self, path: str, **fields: str) -> Iterator[Mapping[str, Any]]:
        """The items of all pages of a list below the repository, such as `issues`."""
        page = 1
        while True:
            query = {**fields, "per_page": str(_PAGE), "page": str(page)}
            found = self.ask("GET", path, query=query)
            if not isinstance(found, list):
                raise Transient(f"GitHub answered with no list of {path}", doing="asking GitHub")
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def ask(
        self, method: str, path: str, content: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of one answer. Raises Denied where the token may not, Transient for what may pass by itself.

        Only a GET is repeated: what GitHub did with a POST that it did not answer is not known.
        """
        doing = f"asking GitHub: {method} {path}"
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        url = f"{self._url}/repos/{self.repository}/{path}{f'?{urlencode(query)}' if query else ''}"
        body = None if content is None else json.dumps(content).encode()
        try:
            reply = self._http.send(method, url, headers=headers, body=body, limit=_LIMIT, again=method == "GET")
        except NoAnswer as error:
            raise Transient(f"GitHub did not answer: {error.headline}", doing=doing, hint=error.hint) from None
        return self._read(reply, doing)

    def _read(self, reply: Reply, doing: str) -> Any:
        try:
            found = json.loads(reply.body) if reply.body else None
        except ValueError:
            found = None
        if 200 <= reply.status < 300:
            return found
        words = str(found.get("message", "")) if isinstance(found, Mapping) else ""
        said = f"GitHub answered HTTP {reply.status}{f': {words}' if words else ''}"
        match reply.status:
            case 401 | 403 | 404:  # what a token may not see is not there either
                raise Denied(said, doing=doing, hint="which permissions has the job? (permissions: in the workflow)")
            case 410:
                raise EnvironmentLacks(said, doing=doing, hint="the repository has no issues: Settings, Features")
            case 422 | 400:
                raise ConfigurationError(said, doing=doing)
            case _:
                raise Transient(said, doing=doing)
