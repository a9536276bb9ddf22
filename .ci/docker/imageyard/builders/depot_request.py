"""What is asked of a builder, as the argument list of `depot build`, and what the CLI may know of our environment."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.builders.request import BuildRequest, attestations, by_digest, content
from imageyard.names import Digest

__all__ = ["LOGINS", "PASSED", "argv", "login", "platforms"]

LOGINS = (
    ("DEPOT_TOKEN", ("DEPOT_TOKEN",)),
    ("GitHub's OIDC", ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL")),
    ("GitLab's OIDC", ("GITLAB_CI", "DEPOT_OIDC_TOKEN")),
    ("CircleCI's OIDC", ("CIRCLE_OIDC_TOKEN_V2",)),
    ("Buildkite's OIDC", ("BUILDKITE_AGENT_ACCESS_TOKEN",)),
    ("DEPOT_JIT_TOKEN", ("DEPOT_JIT_TOKEN",)),
    ("DEPOT_CACHE_TOKEN", ("DEPOT_CACHE_TOKEN",)),
)
"""Where the CLI finds a token, in its order, and the variables that it takes (depot/cli 2.102, pkg/helpers/token.go,
pkg/oidc). Between the first and the second it reads what `depot login` wrote."""

PASSED = (
    "DEPOT_API_URL",
    *(name for _, names in LOGINS for name in names),
    "BUILDKITE_AGENT_ENDPOINT",
    "BUILDKITE_JOB_ID",
)
"""What of ours the CLI gets beside what every child inherits. Never DEPOT_PROJECT_ID nor DEPOT_BUILD_ID: the catalogue
names the project, and a build of somebody else's is not joined."""

_NO_DIGEST = Digest("sha256:" + "0" * 64)


def platforms(request: BuildRequest) -> tuple[str, ...]:
    """The platforms of a request."""
    return tuple(request.platform.split(","))


def argv(request: BuildRequest, *, program: str, project: str) -> list[str]:
    """The argument list of a build.

    Nothing of a token is in it. The image is pushed by digest, and so is the index of several platforms, which the CLI
    pushes itself under the name that it is given: beside a digest it gives no tag (depot/cli 2.102,
    pkg/buildx/imagetools, and containerd 1.6, remotes/docker/pusher.go: a digest that is not the manifest's is no tag).
    """
    args = [program, "build", "--progress=plain", "--project", project, "-f", str(request.dockerfile)]
    args += ["--platform", request.platform, *content(request), *_output(request)]
    args += [*attestations(request), *([] if request.sbom else ["--sbom=false"])]
    args += [] if request.metadata_file is None else ["--metadata-file", str(request.metadata_file)]
    return [*args, *request.extra, str(request.context)]


def _output(request: BuildRequest) -> list[str]:
    if request.output == "nothing":
        return []
    (repository,) = request.tags
    name = f"{repository.name}@{_NO_DIGEST}" if len(platforms(request)) > 1 else repository.name
    return ["--output", by_digest(request, name)]


def login(environ: Mapping[str, str]) -> str | None:
    """Which of the variables the CLI takes its token from; None where only `depot login` may have left one."""
    return next((place for place, names in LOGINS if all(environ.get(name) for name in names)), None)
