"""Layer caches: cache.clean."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, JSON, read_age, task

__all__ = ["TASKS"]


@task(
    changes="yes",
    name="clean",
    pr="the number of a pull request that was closed",
    older_than="how old a cache has to be, of a branch, or of a pull request that is not open: 36h, 7d",
    open_="a JSON list of all open pull requests; default: GitHub is asked, with GITHUB_TOKEN",
    yes="delete; without it only what would be deleted is printed",
    json=JSON,
    catalogue=CATALOGUE,
)
def clean_caches(
    context: Context,
    pr: str | None = None,
    older_than: str | None = None,
    open_: str | None = None,
    yes: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Remove layer caches: those of a closed pull request, or all old ones of closed pull requests and of branches."""
    from pathlib import Path

    from imageyard.errors import ConfigurationError
    from imageyard.keep import cache_clean
    from imageyard.project.project import find_project
    from imageyard.run.services import begin

    if (pr is None) == (older_than is None):
        raise ConfigurationError("name one of --pr and --older-than", hint="inv --help cache.clean")
    project = find_project(catalogue)
    services = begin(project)
    if pr is not None:
        if not (pr.isascii() and pr.isdigit() and int(pr)):
            raise ConfigurationError(f"--pr takes the number of a pull request, not {pr!r}")
        wanted = cache_clean.CacheCleanRequest(pull=int(pr))
    else:
        from imageyard.ci import pulls

        age = read_age("--older-than", older_than or "")
        if open_ is not None:
            wanted = cache_clean.CacheCleanRequest(age=age, open_pulls=pulls.from_file(Path(open_)))
        else:
            forge = services.provider.forge()
            wanted = cache_clean.CacheCleanRequest(age=age, open_pulls=forge.open_pulls(), is_open=forge.is_open)
    cache_clean.clean(project.catalogue, services, wanted, yes=yes, as_json=json)


TASKS = [clean_caches]
