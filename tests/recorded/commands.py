"""What is recorded: commands by group, each with a name of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from recorded.record import Player
from recorded.scenes import INPUTS

__all__ = ["commands"]

Asked = dict[str, Any]
TASKS = (
    "build", "check", "clean", "doctor", "explain", "init", "inputs", "list", "lock", "login", "mirror", "plan",
    "promote", "push", "records", "refs", "resolve", "stale", "tag", "wait",
    "cache.clean", "ci.decide", "ci.issue", "ci.report", "ci.result",
)  # fmt: skip
BEFORE = "0123456789abcdef0123456789abcdef01234567"
STUBS = ("absent", "denied", "login", "broken", "busy", "closed")


def inv(cwd: str, line: str, env: Mapping[str, str | None] | None = None, name: str = "", **more: Any) -> Asked:
    """One call of Invoke; words are parted by spaces."""
    shown = name or " ".join([cwd, *(f"{key}={value}" for key, value in (env or {}).items()), line])
    found: Asked = {"name": shown, "cwd": cwd, "module": "invoke", "argv": line.split(" ") if line else [], **more}
    return {**found, "env": dict(env)} if env else found


def commands(playing: Player) -> Iterator[tuple[str, list[Asked]]]:
    """All groups."""
    yield "help", helping()
    for scene in ("ours", "locked", "debian", "parents", "forms", "pytorch"):
        yield f"catalogue-{scene}", catalogue(playing, scene)
    yield "examples", examples()
    yield "plans", plans()
    yield "nox", nox()
    yield "wrong", wrong()
    yield "engine", engine()
    yield "registries", registries()
    yield "workflow", workflow(playing)
    yield "decide", decisions(playing)


def helping() -> list[Asked]:
    found = [inv("ours", f"--help {task}") for task in TASKS]
    found += [inv("ours", f"{task} --help") for task in ("list", "tag", "plan", "promote")]
    found += [inv("ours", line) for line in ("--list", "", "--list --list-format=flat", "--list --list-format=json")]
    found += [inv("ours", line) for line in ("nothing", "list --nothing", "tag", "explain")]
    other = [
        {**inv("empty", line, name=f"python -m imageyard {line}"), "module": "imageyard"}
        for line in ("--list", "list", "--version")
    ]
    return found + other


def catalogue(playing: Player, scene: str) -> list[Asked]:
    listed = playing.play(scene, "invoke", ["list", "--json"])
    assert listed["code"] == 0, listed
    images = list(dict.fromkeys(row["name"] for row in _rows(json.loads("\n".join(listed["out"])))))
    assert images
    lines = ["list", "list --json", "tag *", "tag * --json", "tag * --arch amd64", "tag * --arch arm64 --json"]
    lines += ["inputs *", "inputs * --json", "tag * --explain --json", "tag * --explain"]
    lines += [f"list --pattern {images[0]}", f"list --pattern {images[0]}* --json"]
    lines += [
        "plan --offline",
        "plan --offline --json",
        "plan --offline --exit-code",
        "plan --offline --arch arm64 --json",
    ]
    for number, image in enumerate(images if scene != "ours" else ()):  # as in `locked`
        lines += [f"explain {image}"]
        if len(images) < 20 or number % 3 == 0:
            lines += [f"explain {image} --json", f"tag {image}", f"inputs {image}", f"tag {image} --explain"]
            lines += [f"plan --pattern {image} --offline"]
    return [inv(scene, line) for line in lines]


def _rows(listed: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = listed if isinstance(listed, list) else listed["images"]
    return [{"name": row.get("image") or row.get("name")} for row in found]


def examples() -> list[Asked]:
    found = []
    for example in ("debian", "pytorch"):
        where = f"--catalogue examples/{example}/images.yml"
        for line in (
            "list",
            "list --json",
            "tag *",
            "inputs *",
            "plan --offline",
            "plan --offline --json",
            "lock --base x",
        ):
            found.append(inv("ours", f"{line} {where}"))
        found.append(inv("ours", "list", {"IMAGEYARD_CATALOGUE": f"examples/{example}/images.yml"}))
    found.append(inv("ours/examples", "list"))
    found.append(inv("ours/.ci/docker/common", "tag *"))
    found.append(inv("ours/examples/pytorch", "list --catalogue images.yml"))
    return found


def plans() -> list[Asked]:
    found = []
    for scene in ("moved", "dirty"):
        for rev in ("HEAD", "HEAD~1", "nothing"):
            found += [
                inv(scene, f"plan --offline --changed-since {rev}{more}") for more in ("", " --json", " --exit-code")
            ]
            found += [inv(scene, f"tag linux-linter --against {rev}{more}") for more in ("", " --json")]
        found += [inv(scene, line) for line in ("tag *", "tag * --against HEAD", "tag * --against HEAD --json")]
    for value in ("GCC_VERSION=15", "GCC_VERSION=", "NOTHING=1", "GCC_VERSION"):
        for line in (
            f"tag linux-bookworm-py3.11-gcc12 --set {value}",
            f"tag linux-bookworm-py3.11-gcc12 --set {value} --explain",
        ):
            found.append(inv("locked", line))
        found.append(inv("locked", f"inputs linux-bookworm-py3.11-gcc12 --set {value} --json"))
    for pattern in (
        "linux-*-{gcc12,clang16}",
        "linux-{os}-base",
        "linux-*",
        "nothing*",
        "{",
        "",
        "linux-linter,linux-trixie-base",
    ):
        found += [inv("locked", f"{task} {pattern}") for task in ("plan --offline --pattern", "tag", "list --pattern")]
    return found


def nox() -> list[Asked]:
    lines = ("-l", "-l --json", "-s plan -- --offline", "-s plan -- --offline --nothing", "-s plan -- --help")
    lines += (
        "-s plan -- nothing --offline",
        "-s plan",
        "-s merge_image -- nothing",
        "-s merge_image -- linux-linter --at x",
    )
    lines += ("-s shell -- nothing", "-s shell -- linux-linter --arch x", "-s test_dockerfile -- gone/Dockerfile")
    lines += ("-s test_dockerfile", "-s test_dockerfile -- linter/Dockerfile", "-s local_stack -- stat", "-s nothing")
    row = "build_image(arch='amd64',image='linux-linter')"
    more = ("", " -- --expect x", " -- --set X=1", " -- --builder x", " -- --at x", " -- --forse", " -- --help")
    lines += tuple(f"-s {row}{end}" for end in more)
    found = [{**inv("locked", line, name=f"nox {line}"), "module": "nox"} for line in lines]
    for line in ("-l", f"-s {row}"):
        found.append({**inv("ours", line, name=f"ours: nox {line}"), "module": "nox"})
    for scene in ("pytorch", "debian", "empty"):
        found.append({**inv(scene, "-l", name=f"{scene}: nox -l"), "module": "nox"})
    for broken in ("bad", "gone"):
        env = {"IMAGEYARD_CATALOGUE": f".ci/docker/stub-{broken}.yml"}
        found.append({**inv("locked", "-l", env, name=f"{broken}: nox -l"), "module": "nox"})
    return found


def _taking(task: str) -> str:
    """A task as it takes a pattern: where that has a default it is an option."""
    return f"{task} --pattern" if task in ("plan", "list") else task


def wrong() -> list[Asked]:
    """Calls that nobody means, of every task."""
    image = "linux-linter"
    taking = ("build", "check", "explain", "inputs", "mirror", "plan", "promote", "push", "records", "refs", "resolve")
    with_arch = ("build", "check", "inputs", "plan", "push", "records", "refs", "resolve", "tag", "wait")
    lines = [f"{_taking(task)} nothing" for task in (*taking, "tag", "wait")]
    lines += [f"{task} linux-linker" for task in ("explain", "tag", "build")]
    lines += [f"{_taking(task)} {image} --arch x86" for task in with_arch] + [
        "list --arch x86",
        "list --arch x86_64",
        "list --arch aarch64",
    ]
    lines += [
        f"{_taking(task)} {image} --at nowhere"
        for task in ("build", "plan", "promote", "push", "records", "refs", "resolve", "wait")
    ]
    lines += [f"build {image} --arch amd64 {more}" for more in (
        "--expect x", "--builder x", "--address x", "--address tcp://127.0.0.1:1 --builder local",
        "--set X", "--set X=1", "--builder depot", "--builder remote", "--at branch", "--builder remote --expect x",
        "--builder remote --address tcp://127.0.0.1:1",
    )]  # fmt: skip
    lines += [f"wait {image} --timeout {value}" for value in ("x", "0", "-1s", "5", "")] + [f"wait {image} --expect x"]
    lines += [f"cache.clean {more}".strip() for more in (
        "", "--pr x", "--pr 0", "--pr 1 --older-than 1d", "--older-than x", "--older-than 7d --open gone.json",
        "--older-than 7d", "--pr 1", "--older-than 7d --open tasks.py",
    )]  # fmt: skip
    lines += ["plan --github --offline", "plan --offline --at trusted", "plan --at x", "plan --github --arch amd64"]
    lines += [
        "lock --base nothing",
        "ci.report",
        "ci.report --plan tasks.py",
        "ci.result",
        "ci.issue",
        "login",
        "login --ghcr",
    ]
    lines += [
        f"{task} --catalogue gone.yml"
        for task in ("list", "clean", "stale", "lock", "login", "plan", "ci.decide", "ci.result")
    ]
    lines += [
        f"{task} --catalogue .ci/docker/stub-bad.yml"
        for task in ("list", f"tag {image}", "clean", "stale", f"build {image}", "ci.decide", f"promote {image}")
    ]
    lines += [
        f"{task} --catalogue .ci/docker/stub-lost.yml"
        for task in ("list", "tag *", "plan --offline", f"build {image} --arch amd64", f"explain {image}")
    ]
    lines += [
        f"{task} {image} --catalogue .ci/docker/stub-alone.yml"
        for task in ("push", "promote", "resolve", "records", "mirror", "refs", "wait", "plan --at trusted --pattern")
    ]
    lines += ["init", "init --into gone"]
    found = [inv("locked", line) for line in lines]
    found += [
        inv("empty", line, name=f"empty: {line}") | {"module": "imageyard"}
        for line in ("tag *", "clean", "ci.decide", "plan", "init")
    ]
    github = {"GITHUB_ACTIONS": "true", "CI": "true"}
    found += [
        inv("locked", line, github)
        for line in (
            f"build {image} --arch amd64",
            "tag nothing",
            "plan",
            f"promote {image}",
            "list --catalogue .ci/docker/stub-bad.yml",
        )
    ]
    found += [
        inv("locked", line, {"CI": "true"})
        for line in (
            f"push {image}",
            f"promote {image}",
            f"mirror {image}",
            f"wait {image} --timeout 1s",
            "ci.decide",
            "login",
        )
    ]
    return found


def engine() -> list[Asked]:
    """What needs an engine, where none answers and where there is no docker at all."""
    found = []
    lines = (
        "build linux-linter --arch amd64",
        "build *",
        "check *",
        "clean",
        "clean --yes --all --json",
        "plan",
        "plan --json",
    )
    lines += (
        "push linux-linter",
        "build linux-linter --force --arch arm64",
        "build linux-linter --builder depot --at branch",
    )
    for env in ({}, {"PATH": "<scratch>/bare"}, {"DOCKER_HOST": "tcp://127.0.0.1:1"}):
        found += [inv("locked", line, env) for line in lines]
        found += [inv("ours", line, env) for line in lines[:5]]
    return found


def registries() -> list[Asked]:
    """What asks a registry, for each way in which one answers."""
    found = []
    image = "linux-linter"
    lines = [
        f"plan --pattern {image} --at trusted",
        "plan --at branch --json",
        f"resolve {image}",
        f"resolve {image} --arch amd64 --at branch",
    ]
    lines += [
        f"records {image}",
        f"records {image} --json --at branch",
        f"refs {image}",
        f"refs {image} --json --existing",
    ]
    lines += [
        f"promote {image}",
        f"promote {image} --at branch --force",
        f"mirror {image} --branch main",
        f"wait {image} --timeout 10s",
    ]
    lines += [
        "cache.clean --pr 17",
        "cache.clean --pr 17 --yes --json",
        f"push {image} --arch amd64",
        "refs *",
        "plan --at trusted --exit-code",
    ]
    for stub in STUBS:
        found += [inv("locked", f"{line} --catalogue .ci/docker/stub-{stub}.yml") for line in lines]
    for name in ("absent", "denied", "login", "broken", "busy"):
        found.append(inv("bases", f"lock --refresh --base 127.0.0.1:<port>/{name}/base:1"))
    found += [
        inv("bases", line) for line in ("lock", "lock --json", "lock --refresh", "stale", "stale --json --exit-code")
    ]
    found += [inv("locked", line) for line in ("stale", "lock", "lock --refresh")]
    return found


def workflow(playing: Player) -> list[Asked]:
    """Plans of whole workflow runs, with the outputs and the summary of the job."""
    payloads = yaml.safe_load((INPUTS / "events" / "payloads.yml").read_bytes())
    files = {"GITHUB_OUTPUT": "<scratch>/tmp/output", "GITHUB_STEP_SUMMARY": "<scratch>/tmp/summary"}
    found = []
    for event in ("push", "pull_request", "schedule", "merge_group", "workflow_dispatch"):
        case = {"name": "plain"}
        for stub in ("absent", "denied", "closed"):
            asked = _event(
                playing, payloads, event, case, "main", f"plan --github --catalogue .ci/docker/stub-{stub}.yml"
            )
            if asked:
                asked["env"] |= files
                found.append({**asked, "name": f"{event} at {stub}"})
        for line in (
            "promote linux-linter",
            "mirror *",
            "login",
            "push linux-linter",
            "refs linux-linter",
            "plan --offline",
        ):
            asked = _event(playing, payloads, event, case, "main", f"{line} --catalogue .ci/docker/stub-absent.yml")
            if asked:
                found.append({**asked, "name": f"{event}: {line}"})
    for event in ("pull_request", "push"):
        asked = _event(playing, payloads, event, case, "merge", "plan --github")
        if asked:
            asked["env"] |= files
            found.append({**asked, "name": f"{event} at a merge commit"})
    summary = {"GITHUB_STEP_SUMMARY": "<scratch>/tmp/summary"}
    for line in ("ci.report", "ci.report --json", "ci.report --results gone", "ci.report --plan bad/plan.json"):
        found.append({**inv("empty", line, summary, name=line), "module": "imageyard"})
    return found


def decisions(playing: Player) -> list[Asked]:
    payloads = yaml.safe_load((INPUTS / "events" / "payloads.yml").read_bytes())
    cases = yaml.safe_load((INPUTS / "events" / "cases.yml").read_bytes())
    cases.pop("decisions")
    found = []
    for event, listed in cases.items():
        for case in listed:
            at = case.get("at", "nowhere").replace("/", "-")
            for line in ("ci.decide", "ci.decide --json"):
                if asked := _event(playing, payloads, event, case, at, line):
                    found.append({**asked, "name": f"{line} of {event!r} {case['name']}"})
    found += [inv("locked", line) for line in ("ci.decide", "ci.decide --json")]
    return found


def _event(playing: Player, payloads: Any, event: str, case: Any, at: str, line: str) -> Asked | None:
    """A command in the job of an event; None for a variable that no process can have."""
    place = playing.at.base / "at" / at
    commit = playing.at.git(place, "rev-parse", "HEAD") if at != "nowhere" else "5" * 40
    key = case.get("of", event)
    text = json.dumps(payloads[key]).replace('"COMMIT"', f'"{commit}"').replace('"BEFORE"', f'"{BEFORE}"')
    payload: dict[str, Any] = json.loads(text)
    for dotted, value in case.get("payload", {}).items():
        *folders, last = dotted.split(".")
        inner = payload
        for folder in folders:
            inner = inner[folder]
        inner[last] = json.loads(json.dumps(value).replace('"LONG"', f'"{"a" * 1001}"'))
    env: dict[str, Any] = _environment(event, payload, commit)
    env |= {"GITHUB_EVENT_PATH": "<scratch>/events/event.json"} | case.get("env", {})
    if any("\0" in value for value in env.values() if value is not None):
        return None
    raw = case["raw"] if "raw" in case else json.dumps(payload)
    return inv(f"at/{at}", line, env, payload=raw)


def _environment(name: str, payload: Mapping[str, Any], commit: str) -> dict[str, str]:
    """The variables that GitHub sets for an event with this payload, as `test_events` has them."""
    number = payload.get("number")
    refs = {"pull_request": f"refs/pull/{number}/merge", "merge_group": payload.get("merge_group", {}).get("head_ref")}
    repository = payload.get("repository")
    found = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_REPOSITORY": repository["full_name"] if isinstance(repository, dict) else "example/images",
        "GITHUB_REF": refs.get(name) or (payload.get("ref") if name in ("push", "workflow_dispatch") else None),
        "GITHUB_SHA": commit,
        "GITHUB_BASE_REF": "main" if name == "pull_request" else "",
        "GITHUB_HEAD_REF": "compiler" if name == "pull_request" else "",
        "IMAGEYARD_DAY": "20260131",
    }
    return {key: value if isinstance(value, str) else "refs/heads/main" for key, value in found.items()}
