"""What a login leaves for the steps that follow: where its private folder is, and AWS credentials in a file of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imageyard.aws import KEPT, Keys
from imageyard.ci.providers.base import Provider
from imageyard.files import user_cache
from imageyard.project.checkout import LANE
from imageyard.registry.private_config import PrivateConfig

__all__ = ["ROLE", "Handover", "private_folder"]

ROLE = "IMAGEYARD_AWS_ROLE"
"""The variable that names the role which a login took by its ARN: later steps of the job take the same one, and
none where it is empty."""


def private_folder(environ: Mapping[str, str], provider: Provider) -> Path:
    """Where this job's, or this user's, private Docker folder is.

    In a CI job in the folder that is emptied with each job; else in the user's runtime folder, which ends with the
    session, or in the cache folder.
    """
    if folder := provider.job_folder():
        return folder / "imageyard-docker"
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime, "imageyard", "docker")
    return user_cache(environ) / "docker"


class Handover:
    """Variables for the steps of the job that follow a login."""

    def __init__(self, provider: Provider, config: PrivateConfig) -> None:
        """Name the folder as DOCKER_CONFIG at once: whatever fails later, no step must use the user's by mistake."""
        self._following = provider.following_steps()
        self._config = config
        self._name("DOCKER_CONFIG", config.folder)

    def aws_keys(self, keys: Keys) -> None:
        """Keep a role's credentials in a file for our own AWS calls in later steps, whose environment names its path.

        AWS's own variables are left alone: other programs of the job may have credentials of their own.
        """
        if self._following:
            self._name(KEPT, self._config.keep("aws-credentials", keys.dumps()))

    def aws_role(self, role: str) -> None:
        """Name the role of this job, which it takes anew where it needs credentials for longer than a session lasts."""
        self._name(ROLE, role)

    def lane(self, lane: str) -> None:
        """Name the lane of this job, so that later steps are about no other images."""
        self._name(LANE, lane)

    def _name(self, variable: str, path: Path | str) -> None:
        if self._following:
            self._following.set(variable, path)
