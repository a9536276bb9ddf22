"""The actions that our workflows use, stood in for by name: what they do to files, as their own documentation says."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from support.workflow.expressions import Unsupported

if TYPE_CHECKING:
    from support.workflow.runner import _JobMachine as JobMachine

__all__ = ["EMULATED", "Failed"]


class Failed(Exception):
    """The action ended the step."""


def checkout(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """The commit of the event; depth 0 fetches all branches and tags (actions/checkout, src/ref-helper.ts)."""
    if given.get("persist-credentials") != "false":
        raise Unsupported("actions/checkout that leaves its token behind is not supported")
    if {"repository", "ref"} & given.keys():
        raise Unsupported("actions/checkout of anything but the event's commit is read, and not run")
    depth, event = given.get("fetch-depth", "1"), job.event
    kind, _, short = event.ref.removeprefix("refs/").partition("/")
    remote = {"heads": f"refs/remotes/origin/{short}", "tags": event.ref, "pull": f"refs/remotes/pull/{short}"}[kind]
    refs = [f"+{event.sha}:{remote}"]
    if depth == "0":
        refs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", *(refs if kind == "pull" else ())]
    _git(job.workspace, "init", "--quiet", "--initial-branch=checkout")
    _git(job.workspace, "remote", "add", "origin", job.machine.origin.as_uri())
    limit = [] if depth == "0" else [f"--depth={depth}", "--no-tags"]
    _git(job.workspace, "fetch", "--quiet", *limit, "origin", *refs)
    where = ["-B", short, remote] if kind == "heads" else ["--detach", remote]
    _git(job.workspace, "checkout", "--quiet", "--force", *where)
    if _git(job.workspace, "rev-parse", "HEAD") != event.sha:
        raise Failed(f"the ref {event.ref} is at another commit by now")
    return [f"checked out {event.sha} with depth {depth}"]


def setup_python(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """A Python comes first on PATH: the one that the machine has ready."""
    job.env["PATH"] = f"{job.machine.python}{os.pathsep}{job.env['PATH']}"
    return [f"Python {given['python-version']} stands for the one in {job.machine.python}"]


def upload_artifact(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """One file, or what is in a folder; hidden ones only where asked for (actions/upload-artifact, README)."""
    source = job.workspace / given["path"]
    hidden = given.get("include-hidden-files") == "true"
    if source.is_dir():
        files = {file: file.relative_to(source) for file in sorted(source.rglob("*")) if file.is_file()}
    else:
        files = {source: Path(source.name)} if source.is_file() else {}
    if not hidden:
        inside = {file: file.relative_to(job.workspace) for file in files}
        files = {f: p for f, p in files.items() if not any(part.startswith(".") for part in inside[f].parts)}
    if not files:
        if given.get("if-no-files-found") == "ignore":
            return [f"no files at {given['path']}"]
        raise Failed(f"No files were found with the provided path: {given['path']}")
    name, made = given["name"], job.made
    if set('":<>|*?\r\n\\/') & set(name):
        raise Failed(f"the artifact name {name} is not valid")
    if name in made.artifacts and given.get("overwrite") != "true":
        raise Failed(f"an artifact with the name {name} already exists on the workflow run")
    folder = job.machine.folder / f"artifacts-{made.number}" / name
    shutil.rmtree(folder, ignore_errors=True)
    for file, path in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / path)
    made.artifacts[name] = folder
    return [f"{len(files)} files as {name}"]


def download_artifact(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """One by its name into the path, or those of a pattern into a folder each (actions/download-artifact, README)."""
    target = job.workspace / given.get("path", "")
    if name := given.get("name"):
        if name not in job.made.artifacts:
            raise Failed(f"Artifact not found for name: {name}")
        shutil.copytree(job.made.artifacts[name], target, dirs_exist_ok=True)
        return [f"downloaded {name}"]
    found = fnmatch.filter(sorted(job.made.artifacts), given["pattern"])
    for one in found:
        shutil.copytree(job.made.artifacts[one], target / one, dirs_exist_ok=True)
    return [f"downloaded {len(found)} artifacts"]


def cache_save(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """Files under a key that is new, for runs of this ref; nothing of it fails (actions/cache, save/README.md)."""
    files = _chosen(job.workspace, given["path"])
    folder = _caches(job, job.event.ref) / given["key"]
    if not files or folder.exists():
        return [f"Warning: no cache is saved as {given['key']}"]
    for file in files:
        target = folder / file.relative_to(job.workspace)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return [f"{len(files)} files are cached as {given['key']}"]


def cache_restore(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """The cache of the key, else the newest of a prefix; those of this ref come before those of the default branch.

    Those of other refs are out of reach (docs.github.com, "Dependency caching reference", restrictions for accessing a
    cache, and cache key matching).
    """
    for ref in dict.fromkeys((job.event.ref, "refs/heads/main")):
        caches = sorted(_caches(job, ref).glob("*"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        wanted = [one for one in caches if one.name == given["key"]]
        wanted += [one for one in caches for prefix in given["restore-keys"].split() if one.name.startswith(prefix)]
        if wanted:
            shutil.copytree(wanted[0], job.workspace, dirs_exist_ok=True)
            return [f"Cache restored from key: {wanted[0].name}"]
    return [f"Cache not found for input keys: {given['key']}, {given['restore-keys']}"]


def _caches(job: JobMachine, ref: str) -> Path:
    return job.machine.folder / "caches" / ref.replace("/", "_")


def _chosen(workspace: Path, patterns: str) -> list[Path]:
    """The files of patterns, a line each, without those of the ones that begin with `!` (actions/toolkit, glob)."""
    lines = patterns.split()
    left_out = {file for line in lines if line.startswith("!") for file in workspace.glob(line[1:])}
    return sorted({file for line in lines if not line.startswith("!") for file in workspace.glob(line)} - left_out)


def depot_setup(job: JobMachine, given: Mapping[str, str]) -> list[str]:
    """Depot's CLI is tried elsewhere; no catalogue of these tests chooses it."""
    raise Unsupported(f"depot/setup-action is not supported, version {given['version']}")


EMULATED: Mapping[str, Callable[[JobMachine, Mapping[str, str]], list[str]]] = {
    "actions/cache/restore": cache_restore,
    "actions/cache/save": cache_save,
    "actions/checkout": checkout,
    "actions/setup-python": setup_python,
    "actions/upload-artifact": upload_artifact,
    "actions/download-artifact": download_artifact,
    "depot/setup-action": depot_setup,
}


def _git(folder: Path, *argv: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *argv], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.strip()
