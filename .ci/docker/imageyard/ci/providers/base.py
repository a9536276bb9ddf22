"""What is asked of a CI system: who runs us and why, what a job may use, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from imageyard.http.transport import Http
from imageyard.names import Arch
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob
from imageyard.plan.trust import Event
from imageyard.plan.waves import WorkflowJobs

__all__ = ["FollowingSteps", "Forge", "Home", "IdentityToken", "KeepingRole", "Provider", "TokenClaims"]

KeepingRole: TypeAlias = Literal["retention", "backup", "recovery", "page"]
"""The roles of jobs that keep images."""


@dataclass(frozen=True)
class IdentityToken:
    """A signed statement of which job this is (OpenID Connect), and what it states: `sub`, `aud`, `iss`."""

    value: str = field(repr=False)
    claims: Mapping[str, str]


@dataclass(frozen=True)
class Home:
    """The repository whose jobs are trusted: its name, OWNER/NAME, and its number, which no other one ever has."""

    name: str
    number: str


@dataclass(frozen=True)
class TokenClaims:
    """What the identity token of a job must state, by claim: all of it.

    A claim of `equal` is one of the values. A claim of `like` matches one of the patterns, and one of `unlike` none of
    them: `*` stands for any characters, `/` among them, and nothing else is special.
    """

    equal: Mapping[str, tuple[str, ...]]
    like: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unlike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class FollowingSteps(Protocol):
    """The variables of the steps that follow in the same job."""

    def set(self, variable: str, value: Path | str) -> None:
        """Give a path or a word to the steps that follow. Raises EnvironmentLacks where it cannot be written."""


class Forge(Protocol):
    """The pull requests and issues of the repository that a job is of."""

    def open_pulls(self) -> frozenset[int]:
        """Return the numbers of the open pull requests. Raises Denied or Transient: half a list is none."""

    def is_open(self, number: int) -> bool:
        """Return whether a pull request is open. Raises Denied or Transient."""

    def report(self, mark: str, title: str, body: str, comment: str) -> str:
        """Open an issue, or comment on the open one whose text begins with `mark`; returns the issue's address.

        Raises Denied or Transient, EnvironmentLacks where the repository has no issues.
        """


class Provider(Protocol):
    """A CI system, as the environment of this process shows it.

    A provider is a view of the environment: making one asks nobody. The form of its log is in `ci/providers/logs.py`,
    because the console is below everything that an event needs.
    """

    name: str
    system: str
    """The name of the forge, and that of its CI."""

    identity_permission: str
    """What a job needs before it gets an identity token, in words."""

    forge_address: str
    """Where the pages of repositories are, as the beginning of a URL without a slash at its end."""

    token_issuer: str
    """Who signs the identity tokens of jobs, as a host."""

    runners: Mapping[Arch, str]
    """The system's own runner for each architecture that it has machines of, amd64 among them."""

    @property
    def runs_us(self) -> bool:
        """Whether a variable says that this system started the run."""

    def event(self, top: Path, protected: Sequence[str]) -> Event:
        """Return what started the run. `protected` are patterns of branches, for the commit of a tag.

        Nothing in an event makes this raise: an event that cannot be believed says so.
        """

    def is_pull_request(self) -> bool:
        """Return whether a pull request started the run, and the merge of its two branches is checked out."""

    def queue_base(self) -> str | None:
        """Return the commit that a merge queue tries a change on; None where no merge queue started the run."""

    def branch(self) -> str | None:
        """Return the branch that the run is of."""

    def actor(self) -> str | None:
        """Return the name of the user who started the run."""

    def run_address(self) -> str:
        """Return the address of the page of this run."""

    def workflow(self) -> str:
        """Return the name of the workflow that runs."""

    def job_folder(self) -> Path | None:
        """Return the folder that is emptied with each job; None where there is none."""

    def following_steps(self) -> FollowingSteps | None:
        """Return what sets variables for the steps that follow; None where there is none."""

    def cache_variables(self) -> Mapping[str, str]:
        """Return what a builder's client needs for the system's own layer cache; empty where it cannot use it."""

    def git_credentials(self, url: str) -> Mapping[str, str]:
        """Return the environment in which git may read the repository at `url`; empty where it needs none."""

    def has_identity(self) -> bool:
        """Return whether this job may ask for an identity token."""

    def identity_token(self, audience: str, http: Http, hide: Callable[[str], None]) -> IdentityToken:
        """Ask for an identity token that `audience` takes; `hide` hears of each secret before it is used.

        Raises EnvironmentLacks, Denied or Transient.
        """

    def home(self, name: str | None, number: str | None) -> Home:
        """Return the repository of this job, or the one that is named by a person.

        Raises EnvironmentLacks for what is not known, ConfigurationError for what is no such name or number.
        """

    def trusted_claims(
        self, home: Home, protected: Sequence[str], environments: Sequence[str], *, tags: bool
    ) -> tuple[TokenClaims, ...]:
        """Return what tokens of trusted jobs state: one of these. `protected` are patterns of branches.

        `tags`: jobs of tags that ask for a build are trusted too. Raises ConfigurationError for a pattern that cannot
        be told.
        """

    def keeping_claims(self, home: Home, protected: Sequence[str], role: KeepingRole) -> tuple[TokenClaims, ...]:
        """Return what tokens of the jobs state that keep images: one of these. Raises as `trusted_claims` does."""

    def branch_claims(self, home: Home) -> TokenClaims:
        """Return what tokens of jobs at any ref state, so that they are jobs of our workflows."""

    def workflow_claims(self, home: Home, workflow: str, environment: str) -> TokenClaims:
        """Return what tokens state of a job of `home` that runs exactly this workflow in exactly this environment.

        `workflow` is OWNER/NAME/PATH@REF: where the file of the job is, which may be another repository than `home`.
        """

    def set_outputs(self, values: Mapping[str, str]) -> bool:
        """Hand values to the jobs that follow; returns whether this step has outputs."""

    def summary(self, markdown: str) -> bool:
        """Add to what a person reads of the job; returns whether this step has a summary."""

    def workflow_jobs(self, rows: Sequence[RowJob], delivered: Sequence[Delivery]) -> WorkflowJobs:
        """Spread a plan over the jobs of the system's workflow. Raises ConfigurationError for what none can build."""

    def plan_outputs(self, jobs: WorkflowJobs, *, blocked: bool) -> dict[str, str]:
        """Return jobs as outputs from which the system starts them. Raises PolicyRefused for more than it takes."""

    def forge(self) -> Forge:
        """Return the pull requests and issues. Raises EnvironmentLacks where this job has no token for them."""
