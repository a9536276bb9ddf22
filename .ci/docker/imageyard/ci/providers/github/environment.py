"""What GitHub's runner tells a step in variables, and the file of variables for the steps that follow."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from imageyard.ci.providers.github.log import is_runner
from imageyard.ci.providers.logs import says_no
from imageyard.errors import EnvironmentLacks

__all__ = [
    "EnvironmentFile",
    "actor",
    "branch",
    "cache_variables",
    "following_steps",
    "git_credentials",
    "is_claimed",
    "is_pull_request",
    "job_folder",
    "run_address",
    "workflow",
]

_CACHE = ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "ACTIONS_CACHE_SERVICE_V2")
"""What BuildKit's client takes the token and the address of GitHub's cache from (buildx `util/gha`)."""

_PULL_REQUESTS = ("pull_request", "pull_request_target")


def is_claimed(environ: Mapping[str, str]) -> bool:
    """Whether a variable says that this is GitHub Actions; any word but "no" counts, so that no run gets away."""
    return not says_no(environ.get("GITHUB_ACTIONS", ""))


def is_pull_request(environ: Mapping[str, str]) -> bool:
    """Whether a pull request started the run."""
    return environ.get("GITHUB_EVENT_NAME") in _PULL_REQUESTS


def actor(environ: Mapping[str, str]) -> str | None:
    """Return the name of the user who started the run."""
    return environ.get("GITHUB_ACTOR")


def branch(environ: Mapping[str, str]) -> str | None:
    """Return the branch that the run is of, as a variable has it."""
    return environ.get("GITHUB_REF", "").removeprefix("refs/heads/") or None


def run_address(environ: Mapping[str, str]) -> str:
    """Return the address of the page of this run."""
    server, run = environ.get("GITHUB_SERVER_URL", "https://github.com"), environ.get("GITHUB_RUN_ID", "")
    return f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"


def workflow(environ: Mapping[str, str]) -> str:
    """Return the name of the workflow that runs."""
    return environ.get("GITHUB_WORKFLOW", "the workflow")


def job_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that the runner empties with each job; None where no runner of GitHub is."""
    folder = environ.get("RUNNER_TEMP")
    return Path(folder) if folder and is_runner(environ) else None


def cache_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a builder's client needs for GitHub's cache service; empty where it cannot use it.

    GitHub gives them to actions and not to `run:` steps: an action has to hand them on (docs.docker.com, "GitHub
    Actions cache"). ACTIONS_RESULTS_URL is the service's second version, ACTIONS_CACHE_URL the first.
    """
    address = environ.get("ACTIONS_RESULTS_URL") or environ.get("ACTIONS_CACHE_URL")
    if not environ.get("ACTIONS_RUNTIME_TOKEN") or not address:
        return {}
    return {name: environ[name] for name in _CACHE if name in environ}


def git_credentials(url: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """What lets git read a private repository in a job whose checkout did not leave its token behind.

    In the environment of git alone (git-config(1), GIT_CONFIG_COUNT), and for the server that the token is of.
    """
    token, server = environ.get("GITHUB_TOKEN", ""), environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    if not token or not server.startswith("https://") or not url.startswith(f"{server}/"):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


class EnvironmentFile:
    """GitHub's file of variables for the steps that follow (docs.github.com, "Setting an environment variable")."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def set(self, variable: str, value: Path | str) -> None:
        """Give a path or a word to the steps that follow. Raises EnvironmentLacks where it cannot be written."""
        if isinstance(value, str) and "\n" in value:
            raise EnvironmentLacks(f"the value of {variable} has a line break in it: {value!r}")
        if "\n" in str(value):
            raise EnvironmentLacks(f"the path of RUNNER_TEMP has a line break in it: {str(value)!r}")
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{variable}={value}\n")
        except OSError as error:
            raise EnvironmentLacks(f"GITHUB_ENV cannot be written: {error.strerror}") from None


def following_steps(environ: Mapping[str, str]) -> EnvironmentFile | None:
    """Return the file for the steps that follow; None where no runner of GitHub is."""
    file = environ.get("GITHUB_ENV")
    return EnvironmentFile(Path(file)) if file and is_runner(environ) else None
