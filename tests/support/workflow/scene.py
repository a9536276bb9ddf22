"""A repository with our workflows in it; its GitHub, ECR, GHCR and pool of workers are all of this machine."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imageyard.access.aws_policies import policies
from imageyard.access.environments import MIRROR, TRUSTED
from imageyard.catalogue import expand
from imageyard.ci.providers.base import Home
from imageyard.ci.providers.table import provider_of
from imageyard.names import Arch, Digest, Reference
from imageyard.plan.trust import Repository
from support.aws.served import ACCOUNT, Aws
from support.engine.private import PrivateEngine
from support.github.oidc import Oidc
from support.registry.served import PASSWORD, USER, Served
from support.workflow import runner as workflow_runner
from support.workflow.runner import Event, Machine, Run

__all__ = ["BASE", "EVERYTHING", "PLAIN", "TOOL", "Scene", "make_python", "make_scene"]

TOP = Path(__file__).parents[3]
REPOSITORY = "acme/images"
HOME = Home(REPOSITORY, "5678")
SUBJECT = "repo:acme@1234/images@5678"
BASE, TOOL, PLAIN = "linux-base", "linux-tool", "linux-plain"
BUILD_TOKEN = "marked-secret-of-a-build"

EVERYTHING = [
    "decide",
    f"rows-0 {BASE} amd64",
    f"rows-0 {BASE} arm64",
    f"rows-0 {PLAIN} amd64",
    f"rows-1 {TOOL} amd64",
    f"promote {BASE}",
    f"mirror {BASE}",
    f"mirror {TOOL}",
    f"mirror {PLAIN}",
    "report",
]
"""The jobs of a run that has all to do."""

CATALOGUE = """\
registry: {{trusted: {ecr}/{name}, branch: {ecr}/{name}-branch}}
cache: {{trusted: {ecr}/{name}-cache, branch: {ecr}/{name}-branch-cache}}
ecr: {{role: {{trusted: {trusted}, branch: {branch}}}, region: us-east-1, create: yes}}
mirrors: [{ghcr}/acme/{name}]
ghcr: {{user: {user}}}
protected: [main]
builders:
  remote: {{amd64: "{amd64}", arm64: "{arm64}", insecure: yes, connect_timeout: 10s}}
defaults:
  arches: [amd64]
  checks:
    release: {{run: cat /etc/release, version: 12}}
axes:
  plain: {{linux, base, tool, plain}}
images:
  base:
    dockerfile: base/Dockerfile
    arches: [amd64, arm64]
    names:
      linux-base:
  tool:
    dockerfile: tool/Dockerfile
    args: {{BASE: "image:linux-base"}}
    provenance: max
    secrets: {{token: {{source: "env:BUILD_TOKEN"}}}}
    names:
      linux-tool:
  plain:
    dockerfile: plain/Dockerfile
    names:
      linux-plain:
"""
BASE_DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
ADD base/root-${{TARGETARCH}}.tar /
ENV PATH=/bin
RUN echo base of {key} && echo 12.5 > /etc/release
"""
TOOL_DOCKERFILE = """\
ARG BASE
FROM ${{BASE}}
COPY tool/word /etc/word
RUN --mount=type=secret,id=token echo tool of {key} && cat /etc/word && test -s /run/secrets/token
"""
PLAIN_DOCKERFILE = """\
FROM scratch
ADD base/root-amd64.tar /
ENV PATH=/bin
COPY plain/word /etc/word
RUN echo plain of {key} && echo 12.1 > /etc/release
"""
RECORDER = """\
import json, os, sys
file = os.environ.get("RECORD_CHILDREN")
if file:
    def hook(event, args):
        if event == "subprocess.Popen":
            argv = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
            with open(file, "a") as out:
                out.write(json.dumps([os.fsdecode(one) for one in argv]) + "\\n")
    sys.addaudithook(hook)
"""
"""Every child that a Python of ours starts is written down, with its arguments."""
INSTALLER = """\
import os, sys
if sys.orig_argv[1:] == ["-m", "pip", "install", "--quiet", "--editable", "."] and "INSTALL_ONCE" in os.environ:
    from pathlib import Path
    here, links = Path.cwd(), list(Path(__file__).parent.glob("__editable__.imageyard-*.pth"))
    if links:
        linked = Path(links[0].read_text().strip()).parents[1]
        same = linked / "pyproject.toml"
        if same.is_file() and same.read_bytes() == (here / "pyproject.toml").read_bytes():
            import subprocess
            ask = ["git", "rev-parse", "HEAD:.ci/docker/imageyard"]
            trees = [subprocess.run(ask, cwd=top, capture_output=True, text=True).stdout for top in (linked, here)]
            if not trees[0] or trees[0] != trees[1]:
                links[0].write_text(f"{here}/.ci/docker\\n")
            os._exit(0)
"""
"""The second `pip install --editable .` of one project, in `INSTALL_ONCE`: the link that the first wrote is moved.

It stays where it leads to the same package, whose modules are compiled there by then.
"""


def make_python(folder: Path) -> Path:
    """A Python with what Imageyard needs but not itself, as a runner has it after a first `pip install`: its programs.

    The libraries are those of the Python that runs the tests; `pip install --editable .` is the real one and needs no
    network, because nothing is missing. It takes four seconds of each job: after the first, a link is moved instead.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    programs = folder / "bin"
    ask = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "setuptools>=77"]
    subprocess.run(ask, check=True, capture_output=True)
    own = next((folder / "lib").iterdir()) / "site-packages"
    (own / "outer.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (own / "recorder.py").write_text(RECORDER)
    (own / "recorder.pth").write_text("import recorder\n")
    (own / "installer.py").write_text(INSTALLER)
    (own / "installer.pth").write_text("import installer\n")
    for name, module in (("inv", "from invoke.main import program; program.run()"), ("nox", None)):
        text = module or "import sys; from nox.__main__ import main; sys.exit(main())"
        (programs / name).write_text(f"#!{programs}/python\n{text}\n")
        (programs / name).chmod(0o755)
    return programs


@dataclass
class Scene:
    """The repository at `top`, which is what GitHub has; `machine` runs its workflows."""

    top: Path
    machine: Machine
    key: str
    aws: Aws
    oidc: Oidc
    open: Served
    ghcr: Served
    engine: PrivateEngine
    subjects: list[str] = field(default_factory=list)

    def install_in_each_job(self) -> None:
        """Let pip install the package in every job from now on, as on GitHub."""
        env = {name: value for name, value in self.machine.env.items() if name != "INSTALL_ONCE"}
        self.machine = replace(self.machine, env=env)

    # What is in the repository

    def write(self, path: str, content: str | bytes) -> None:
        file = self.top / ".ci" / "docker" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.top / ".ci" / "docker" / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def publish_at_ghcr(self) -> None:
        """Let the catalogue have one repository for all, at GHCR, and neither ECR nor mirrors."""
        file = self.top / ".ci" / "docker" / "images.yml"
        gone = ("registry:", "cache:", "ecr:", "mirrors:")
        lines = [line for line in file.read_text().splitlines(keepends=True) if not line.startswith(gone)]
        self.write("images.yml", f"registry: {self.ghcr.host}/acme/{self.name}\n{''.join(lines)}")
        self.commit("GHCR alone")

    def git(self, *argv: str) -> str:
        names = ("-c", "user.name=Yard", "-c", "user.email=yard@example.org", "-c", "advice.detachedHead=false")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *names, *argv], cwd=self.top, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "State") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    # What happens there

    def push(self, branch: str = "main") -> Run:
        sha = self.git("rev-parse", f"refs/heads/{branch}")
        return self._run(self.event("push", f"refs/heads/{branch}", sha, after=sha, ref=f"refs/heads/{branch}"))

    def tag(self, name: str, commit: str = "HEAD") -> Run:
        self.git("tag", name, commit)
        sha = self.git("rev-parse", f"{commit}^{{commit}}")
        return self._run(self.event("push", f"refs/tags/{name}", sha, after=sha, ref=f"refs/tags/{name}"))

    def merge_group(self, number: int, branch: str) -> Run:
        """The merge queue asks for the checks of a pull request, merged with main on a branch of GitHub's own."""
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{self.git('rev-parse', 'main')}"
        tree = self.git("merge-tree", "--write-tree", "main", branch)
        merge = self.git("commit-tree", tree, "-p", "main", "-p", branch, "-m", "Merge")
        self.git("update-ref", ref, merge)
        base = {"base_ref": "refs/heads/main", "base_sha": self.git("rev-parse", "main")}
        group = {"head_ref": ref, "head_sha": merge, **base}
        return self._run(self.event("merge_group", ref, merge, action="checks_requested", merge_group=group))

    def schedule(self, name: str = "docker-builds.yml") -> Run:
        sha = self.git("rev-parse", "refs/heads/main")
        return self._run(self.event("schedule", "refs/heads/main", sha, schedule="23 4 * * 1"), name)

    def dispatch(self, branch: str = "main", name: str = "docker-builds.yml", **inputs: str) -> Run:
        ref = f"refs/heads/{branch}"
        event = self.event("workflow_dispatch", ref, self.git("rev-parse", ref), ref=ref, inputs=inputs)
        return self._run(event, name)

    def pull_request(
        self, number: int, branch: str, *, head: str = REPOSITORY, has_role: bool = True, rerun: Run | None = None
    ) -> Run:
        """Merged with main as GitHub does it; from `head`, which has the same commits.

        A pull request from a fork has no role, and one of the repository's need not have one either: Dependabot's.
        """
        ref = f"refs/pull/{number}/merge"
        if rerun is None:
            tree = self.git("merge-tree", "--write-tree", "main", branch)
            merge = self.git("commit-tree", tree, "-p", "main", "-p", branch, "-m", "Merge")
            self.git("update-ref", ref, merge)
        sides = {
            "head": {"ref": branch, "sha": self.git("rev-parse", branch), "repo": {"full_name": head}},
            "base": {"ref": "main", "sha": self.git("rev-parse", "main"), "repo": {"full_name": REPOSITORY}},
        }
        request = {"number": number, **sides}
        event = self.event(
            "pull_request", ref, self.git("rev-parse", ref), action="synchronize", number=number, pull_request=request
        )
        return self._run(
            Event(event.name, ref, event.sha, event.payload, trusted=has_role and head == REPOSITORY), rerun=rerun
        )

    def close(self, number: int, branch: str) -> Run:
        """Close the pull request without merging it."""
        ref = f"refs/pull/{number}/merge"
        sides = {
            "head": {"ref": branch, "sha": self.git("rev-parse", branch), "repo": {"full_name": REPOSITORY}},
            "base": {"ref": "main", "sha": self.git("rev-parse", "main"), "repo": {"full_name": REPOSITORY}},
        }
        payload = {"action": "closed", "number": number, "pull_request": {"number": number, **sides}}
        return self._run(
            self.event("pull_request", ref, self.git("rev-parse", ref), **payload), "docker-cache-cleanup.yml"
        )

    def wait_for(self, image: str, timeout: str = "30s", beside: Run | None = None) -> Run:
        """Another workflow's job that waits for an image of main; `beside`: of the event that started this run."""
        sha = self.git("rev-parse", "refs/heads/main")
        event = self.event("push", "refs/heads/main", sha, after=sha, ref="refs/heads/main")
        event = beside.event if beside else event
        return self._run(event, "wait-for-image.yml", inputs={"image": image, "timeout": timeout})

    def again(self, run: Run) -> Run:
        """Re-run what failed."""
        return self._run(run.event, rerun=run)

    def event(self, name: str, ref: str, sha: str, /, **payload: Any) -> Event:
        repository = {"full_name": REPOSITORY, "fork": False, "default_branch": "main"}
        return Event(name, ref, sha, {"repository": repository, **payload})

    def _run(self, event: Event, name: str = "docker-builds.yml", **options: Any) -> Run:
        made = workflow_runner.run(self.machine, self.top / ".github" / "workflows" / name, event, **options)
        assert made is not None, f"{name} does not start on {event.name} of {event.ref}"
        return made

    # What came of it

    def inv(self, *argv: str) -> str:
        """What a command prints in the repository itself."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.machine.folder), "LANG": "C.UTF-8"}
        command = [str(self.machine.python / "inv"), *argv]
        env["PYTHONPATH"] = str(self.top / ".ci" / "docker")
        return subprocess.run(command, cwd=self.top, env=env, capture_output=True, text=True, check=True).stdout.strip()

    def tag_of(self, image: str, arch: Arch | None = None) -> str:
        return self.inv("tag", image, *(["--arch", arch] if arch else []))

    @property
    def name(self) -> str:
        return f"ci-{self.key}"

    def tags(self, kind: str = "") -> set[str]:
        """The tags of the trusted repository, or of `-branch`, `-cache`, `-branch-cache`."""
        return self._tags(self.open, f"{self.name}{kind}")

    def mirrored(self, kind: str = "") -> set[str]:
        """The tags of the mirror, or of one whose name ends in `kind`."""
        return self._tags(self.ghcr, f"acme/{self.name}{kind}")

    def digest(self, tag: str, kind: str = "") -> Digest:
        return self.open.client().head(Reference(self.open.host, f"{self.name}{kind}", tag))[0]

    def digest_at_mirror(self, tag: str) -> Digest:
        return self.ghcr.client().head(Reference(self.ghcr.host, f"acme/{self.name}", tag))[0]

    def leaks(self, *runs: Run) -> list[str]:
        """Where a secret stands that must stand nowhere: logs, summaries, artifacts, arguments, files, the registry.

        Left out are the private Docker folder, which holds credentials for the job, and what git fetched.
        """
        secrets = [BUILD_TOKEN, PASSWORD, self.oidc.bearer, *self.oidc.issued, *self.aws.secrets, *self.aws.passwords]
        pairs = [f"{USER}:{PASSWORD}", *(f"AWS:{word}" for word in self.aws.passwords)]
        marks = [*secrets, *(base64.b64encode(pair.encode()).decode() for pair in pairs)]
        told = {f"log {run.number}": run.log for run in runs} | {f"summary {run.number}": run.summary for run in runs}
        found = [f"{mark[:12]}... in {where}" for where, text in told.items() for mark in marks if mark in text]
        own = [self.machine.folder, self.machine.folder.parent / "children"]
        published = [self.open.storage / "docker" / "registry" / "v2" / "blobs"]
        files = [file for place in (*own, *published) for file in (place, *place.rglob("*")) if file.is_file()]
        kept = [f for f in files if not {"imageyard-docker", ".git"} & set(f.parts) and f.stat().st_size < 1_000_000]
        assert len(kept) > 100
        bytes_of = [mark.encode() for mark in marks]
        return found + [
            f"{mark[:12]!r}... in {file}" for file in kept for mark in bytes_of if mark in file.read_bytes()
        ]

    @staticmethod
    def _tags(served: Served, repository: str) -> set[str]:
        from imageyard import errors

        try:
            found = served.client().tags(Reference(served.host, repository))
        except errors.NotFound:
            return set()
        return {tag for tag in found if not tag.startswith("sha256-")}


def make_scene(
    folder: Path,
    python: Path,
    key: str,
    aws: Aws,
    oidc: Oidc,
    registries: tuple[Served, Served],
    engine: PrivateEngine,
    workers: Mapping[Arch, str],
    roots: Mapping[Arch, bytes],
    api: Mapping[str, str],
) -> Scene:
    """The repository with the catalogue above, committed on main.

    `registries` are the one behind ECR, and GHCR; `api` is where GitHub's API is.
    """
    top = folder / "repository"
    top.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(TOP / ".ci" / "docker" / "imageyard", top / ".ci" / "docker" / "imageyard", ignore=ignored)
    shutil.copytree(TOP / ".github", top / ".github")
    for name in ("pyproject.toml", "README.md", "LICENSE", "noxfile.py", "tasks.py", ".gitignore"):
        shutil.copy(TOP / name, top / name)
    roles: dict[Repository, str] = {
        "trusted": f"arn:aws:iam::{ACCOUNT}:role/trusted-{key}",
        "branch": f"arn:aws:iam::{ACCOUNT}:role/branch-{key}",
    }
    machine = Machine(
        folder / "runner",
        top,
        REPOSITORY,
        python,
        {
            **aws.env,
            "PIP_NO_BUILD_ISOLATION": "0",  # of the option `--no-build-isolation`: pip takes the value as it is
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "RECORD_CHILDREN": str(folder / "children"),
            "INSTALL_ONCE": "yes",
            "BUILD_TOKEN": BUILD_TOKEN,
            **api,
        },
        engine.env,
        lambda file, event, environment: _token(oidc, file, event, environment),
        {MIRROR: {"GHCR_PAT": PASSWORD}},
        {MIRROR: ["refs/heads/main"], TRUSTED: ["refs/heads/main", "refs/tags/ciflow/docker/*"]},
        token=PASSWORD,  # what may read a mirror; this one cannot tell who writes
    )
    machine.folder.mkdir()
    made = Scene(top, machine, key, aws, oidc, *registries, engine)
    own = {
        "ghcr": registries[1].host,
        "user": USER,
        "name": made.name,
        **{str(arch): at for arch, at in workers.items()},
    }
    own |= {str(level): arn for level, arn in roles.items()}
    made.write("images.yml", CATALOGUE.format(ecr=f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", **own))
    catalogue = expand.load(made.top / ".ci" / "docker" / "images.yml", made.top)
    for level, role in policies(catalogue, provider_of({}), HOME, tags=True).items():
        if level in roles:
            aws.role(f"{level}-{key}", role["policy"], role["trust"])
    made.write("images.yml", CATALOGUE.format(ecr=aws.host, **own))
    made.write("images.lock", "")
    for name, text in (("base", BASE_DOCKERFILE), ("tool", TOOL_DOCKERFILE), ("plain", PLAIN_DOCKERFILE)):
        made.write(f"{name}/Dockerfile", text.format(key=key))
    for arch, root in roots.items():
        made.write(f"base/root-{arch}.tar", root)
    for name in ("tool", "plain"):
        made.write(f"{name}/word", f"{key}\n")
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    made.commit()
    return made


def _token(oidc: Oidc, file: str, event: Event, environment: str) -> Mapping[str, str]:
    """The service gives tokens for this job from now on (docs.github.com, "OpenID Connect reference")."""
    ref = "pull_request" if event.name == "pull_request" else f"ref:{event.ref}"
    oidc.subject = f"{SUBJECT}:{f'environment:{environment}' if environment else ref}"
    workflow = f"{HOME.name}/.github/workflows/{Path(file).name}@{event.ref}"
    oidc.claims = {
        "repository": HOME.name,
        "repository_id": HOME.number,
        "job_workflow_ref": workflow,
        "ref": event.ref,
    }
    oidc.claims |= {"environment": environment} if environment else {}
    return oidc.env


def pretty(run: Run) -> str:
    """For a failed assertion: how each job ended, and the log of those that failed."""
    lines = [json.dumps(run.results)]
    for ended in run.jobs.values():
        lines += [f"--- {one.name}: {one.failed} ({one.code})\n{one.log}" for one in ended if one.result == "failure"]
    return "\n".join(lines)


def outcomes(run: Run) -> dict[str, str]:
    """What the report says of each row and image: its outcome, by the first two columns."""
    lines = [line.strip("| ").split(" | ") for line in run.job("report").summary.splitlines() if "| linux" in line]
    return {f"{cells[0]} {cells[1]}".replace("\\", ""): cells[2] for cells in lines}


def content_tags(scene: Scene) -> set[str]:
    """The tags of all rows and of the image of several, as everybody computes them."""
    rows = {scene.tag_of(BASE, "amd64"), scene.tag_of(BASE, "arm64"), scene.tag_of(TOOL), scene.tag_of(PLAIN)}
    return rows | {scene.tag_of(BASE)}


def caches(scene: Scene, kind: str) -> set[str]:
    return scene.tags(f"{kind}-cache")


def children(scene: Scene) -> list[list[str]]:
    """The arguments of every child that Imageyard started."""
    return [json.loads(line) for line in (scene.machine.folder.parent / "children").read_text().splitlines()]
