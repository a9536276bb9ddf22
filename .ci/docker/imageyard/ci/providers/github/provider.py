"""GitHub Actions as a provider: each question is answered by the module that knows about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imageyard.ci.providers.base import FollowingSteps, Forge, Home, IdentityToken, KeepingRole, TokenClaims
from imageyard.ci.providers.github import answers, environment, job_token, matrix, token_claims
from imageyard.ci.providers.github import event as events
from imageyard.ci.providers.github.api import Api
from imageyard.ci.providers.github.forge import GitHubForge
from imageyard.http.transport import Http
from imageyard.names import Arch
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob
from imageyard.plan.trust import Event
from imageyard.plan.waves import WorkflowJobs

__all__ = ["GitHub"]

RUNNERS: Mapping[Arch, str] = {"amd64": "ubuntu-latest", "arm64": "ubuntu-24.04-arm"}
"""docs.github.com, "GitHub-hosted runners reference"."""


class GitHub:
    """GitHub Actions, as the variables of a step show it."""

    name = "GitHub"
    system = "GitHub Actions"
    identity_permission = "the permission `id-token: write`"
    forge_address = "https://github.com"
    token_issuer = job_token.ISSUER.removeprefix("https://")
    runners: Mapping[Arch, str] = RUNNERS

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @property
    def runs_us(self) -> bool:
        """Whether a variable claims it; any word but "no" counts, so that no run gets away."""
        return environment.is_claimed(self._environ)

    def event(self, top: Path, protected: Sequence[str]) -> Event:
        """Read the event from the variables and the payload."""
        return events.read(self._environ, top, protected)

    def is_pull_request(self) -> bool:
        """Return whether the event's name is that of a pull request."""
        return environment.is_pull_request(self._environ)

    def queue_base(self) -> str | None:
        """Return the base in the payload of a merge group."""
        return events.queue_base(self._environ)

    def branch(self) -> str | None:
        """Return the branch in GITHUB_REF."""
        return environment.branch(self._environ)

    def actor(self) -> str | None:
        """Return the user in GITHUB_ACTOR."""
        return environment.actor(self._environ)

    def run_address(self) -> str:
        """Return the address of the run's page at the server of the job."""
        return environment.run_address(self._environ)

    def workflow(self) -> str:
        """Return the name in GITHUB_WORKFLOW."""
        return environment.workflow(self._environ)

    def job_folder(self) -> Path | None:
        """Return the folder in RUNNER_TEMP."""
        return environment.job_folder(self._environ)

    def following_steps(self) -> FollowingSteps | None:
        """Return the file that GITHUB_ENV names."""
        return environment.following_steps(self._environ)

    def cache_variables(self) -> Mapping[str, str]:
        """Return the variables of GitHub's cache service."""
        return environment.cache_variables(self._environ)

    def git_credentials(self, url: str) -> Mapping[str, str]:
        """Return the job's token as git takes it, for the job's server only."""
        return environment.git_credentials(url, self._environ)

    def has_identity(self) -> bool:
        """Return whether the variables of the token service are set."""
        return job_token.in_reach(self._environ)

    def identity_token(self, audience: str, http: Http, hide: Callable[[str], None]) -> IdentityToken:
        """Ask GitHub's token service."""
        return job_token.fetch(self._environ, audience, http, hide)

    def home(self, name: str | None, number: str | None) -> Home:
        """Return the repository in GITHUB_REPOSITORY and GITHUB_REPOSITORY_ID, or the one that is named."""
        return token_claims.home(self._environ, name, number)

    def trusted_claims(
        self, home: Home, protected: Sequence[str], environments: Sequence[str], *, tags: bool
    ) -> tuple[TokenClaims, ...]:
        """Return claims of jobs of `docker-builds.yml`, by protected branch."""
        return token_claims.trusted(home, protected, environments, tags=tags)

    def keeping_claims(self, home: Home, protected: Sequence[str], role: KeepingRole) -> tuple[TokenClaims, ...]:
        """Return claims of jobs of the workflows that keep images, by protected branch."""
        return token_claims.keeping(home, protected, role)

    def branch_claims(self, home: Home) -> TokenClaims:
        """Return claims of jobs of our workflows."""
        return token_claims.branch(home)

    def workflow_claims(self, home: Home, workflow: str, environment: str) -> TokenClaims:
        """Return claims of jobs of one repository, of one workflow and environment."""
        return token_claims.of_workflow(home, workflow, environment)

    def set_outputs(self, values: Mapping[str, str]) -> bool:
        """Add to the file that GITHUB_OUTPUT names."""
        return answers.emit(values, self._environ)

    def summary(self, markdown: str) -> bool:
        """Add to the file that GITHUB_STEP_SUMMARY names."""
        return answers.summarize(markdown, self._environ)

    def workflow_jobs(self, rows: Sequence[RowJob], delivered: Sequence[Delivery]) -> WorkflowJobs:
        """Spread the plan over the waves of docker-builds.yml."""
        return matrix.jobs(rows, delivered)

    def plan_outputs(self, jobs: WorkflowJobs, *, blocked: bool) -> dict[str, str]:
        """Return the jobs as matrices."""
        return matrix.outputs(jobs, blocked=blocked)

    def forge(self) -> Forge:
        """Return the repository of the job, asked with the job's token."""
        return GitHubForge(Api(self._environ))
