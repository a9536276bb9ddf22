"""What a login leaves for the steps that follow: where its private folder is, and AWS credentials in a file of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imageyard.aws import KEPT, Keys
from imageyard.errors import EnvironmentLacks
from imageyard.registry.private_config import PrivateConfig

__all__ = ["Handover", "private_folder"]


def private_folder(environ: Mapping[str, str]) -> Path:
    """Where this job's, or this user's, private Docker folder is.

    On GitHub in RUNNER_TEMP, which the runner empties with each job; else in the user's runtime folder, which ends
    with the session, or in the cache folder.
    """
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("RUNNER_TEMP"):
        return Path(environ["RUNNER_TEMP"], "imageyard-docker")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime, "imageyard", "docker")
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "imageyard", "docker")


class Handover:
    """GitHub's file of variables for the steps that follow (docs.github.com, "Setting an environment variable")."""

    def __init__(self, environ: Mapping[str, str], config: PrivateConfig) -> None:
        """Name the folder as DOCKER_CONFIG at once: whatever fails later, no step must use the user's by mistake."""
        self._file = environ.get("GITHUB_ENV") if environ.get("GITHUB_ACTIONS") == "true" else None
        self._config = config
        self._name("DOCKER_CONFIG", config.folder)

    def aws_keys(self, keys: Keys) -> None:
        """Keep a role's credentials in a file for our own AWS calls in later steps, whose environment names its path.

        AWS's own variables are left alone: other programs of the job may have credentials of their own.
        """
        if self._file:
            self._name(KEPT, self._config.keep("aws-credentials", keys.dumps()))

    def _name(self, variable: str, path: Path) -> None:
        if not self._file:
            return
        if "\n" in str(path):
            raise EnvironmentLacks(f"the path of RUNNER_TEMP has a line break in it: {str(path)!r}")
        try:
            with Path(self._file).open("a", encoding="utf-8") as file:
                file.write(f"{variable}={path}\n")
        except OSError as error:
            raise EnvironmentLacks(f"GITHUB_ENV cannot be written: {error.strerror}") from None
