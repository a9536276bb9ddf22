"""`lanes.yml`: its text becomes a catalogue of lanes, with the rules between its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from imageyard.catalogue import text
from imageyard.catalogue.kinds import check
from imageyard.catalogue.nodes import Map, Node, error_at, place, plain
from imageyard.catalogue.scalars import FieldFault
from imageyard.ci.providers.base import Home
from imageyard.lanes.channels import NIGHTLY, STABLE, Channel, ChannelName, Demand
from imageyard.lanes.grammar import TOP, NamedRepository, package_name, workflow_repository
from imageyard.lanes.model import Lane, LaneActivity, LaneCatalogue, LaneKey, RoleJob
from imageyard.lanes.places import CENTRE
from imageyard.names import Reference, parse_reference

__all__ = ["load", "parse"]

_ROLE_NAME_LIMIT = 64  # characters (AWS IAM User Guide, "IAM and AWS STS quotas", "Name length limits")
_INDEX_FILE, _PURGE_FILE = "lane-index.yml", "lane-purge.yml"
_INDEX_ENVIRONMENT, _PURGE_ENVIRONMENT = "lane-index", "lane-purge"
_BEGIN = "bucket:"
_ABSENT = "write one (docs/lanes.md), or name another with: --lanes FILE"


def load(path: Path, file: str | None = None) -> LaneCatalogue:
    """Read a catalogue of lanes; `file` is how errors name it. Raises ConfigurationError with file and line."""
    return _decode(text.load(path, file, begin=_BEGIN, absent=_ABSENT), file or str(path))


def parse(data: bytes | str, file: str = "lanes.yml") -> LaneCatalogue:
    """The catalogue of lanes in a text. Raises ConfigurationError with file and line."""
    return _decode(text.parse(data, file, begin=_BEGIN), file)


def _decode(root: Map, file: str) -> LaneCatalogue:
    check(TOP, root)
    said = {key: plain(node) for key, node in root.items.items() if key != "lanes"}
    centre: NamedRepository = said["centre"]
    if centre.number is None:
        hint = f"gh api repos/{centre.name} --jq .id    (the number), then: centre: {centre.name}@NUMBER"
        raise error_at(root.items["centre"], f"nobody said the number of {centre.name}", hint=hint)
    _refuse_outsider(root, "workflow", said["workflow"], centre.name)
    lanes = root.items["lanes"]
    assert isinstance(lanes, Map)
    found = LaneCatalogue(
        file=file,
        bucket=said["bucket"],
        region=said["region"],
        account=said["account"],
        roles=said["roles"],
        centre=Home(centre.name, centre.number),
        indexer=_job(root, "indexer", said["workflow"], _INDEX_FILE, _INDEX_ENVIRONMENT, centre.name),
        purge=_job(root, "purge", said["workflow"], _PURGE_FILE, _PURGE_ENVIRONMENT, centre.name),
        price=said.get("price"),
        channels=_channels(said.get("channels", {})),
        images=_images(said.get("images")),
        main_index=said.get("index"),
        distribution=said.get("distribution"),
        files_url=said.get("files", ""),
        lanes={name: _lane(name, lanes.items[name], lanes, said) for name in lanes.items},
    )
    if CENTRE in found.lanes:
        hint = "call it something else: requests of the centre are in this folder"
        raise error_at(lanes, f"no lane is called {CENTRE}", key=CENTRE, hint=hint)
    _refuse_long_roles(found, lanes)
    _refuse_shared(found, lanes)
    return found


def _job(root: Map, key: str, upload: str, file: str, environment: str, centre: str) -> RoleJob:
    """A job of the centre: where nobody says its file, it is one beside that of uploads, at the same ref."""
    node = root.items.get(key)
    said = plain(node, {})
    path, _, ref = upload.partition("@")
    folder = path.rpartition("/")[0]
    if "workflow" in said:
        assert isinstance(node, Map)
        _refuse_outsider(node, "workflow", said["workflow"], centre)
    return RoleJob(said.get("workflow", f"{folder}/{file}@{ref}"), said.get("environment", environment))


def _refuse_outsider(node: Map, key: str, workflow: str, centre: str) -> None:
    """Raise ConfigurationError for a workflow that is not of the centre: its owner could leave every check out."""
    if (owner := workflow_repository(workflow)) != centre:
        raise error_at(
            node.items[key],
            f"the workflow is of {owner}, and not of the centre",
            hint=f"name a workflow of {centre}: whoever can change it decides what is published",
        )


def _channels(said: Any) -> dict[ChannelName, Channel]:
    nightly, stable = said.get("nightly", {}), said.get("stable", {})
    keep = int(nightly.get("keep", NIGHTLY.keep))
    return {
        "nightly": replace(NIGHTLY, keep=keep, provenance=_demand(nightly), every=nightly.get("every")),
        "stable": replace(STABLE, provenance=_demand(stable)),
    }


def _demand(said: dict[str, Any]) -> Demand:
    return cast("Demand", said.get("provenance", "optional"))


def _images(said: str | None) -> Reference | None:
    return None if said is None else parse_reference(said)


def _lane(name: str, node: Node, lanes: Map, said: dict[str, Any]) -> Lane:
    own: dict[str, Any] = plain(node) if isinstance(node, Map) else {"repository": plain(node)}
    repository: NamedRepository = own["repository"]
    number = own.get("repository_id", repository.number)
    if repository.number and number != repository.number:
        assert isinstance(node, Map)
        headline = f"the lane has two numbers, {repository.number} and {number}"
        raise error_at(node, headline, key="repository_id", hint="remove one of the two")
    if isinstance(node, Map) and "workflow" in own:
        _refuse_outsider(node, "workflow", own["workflow"], said["centre"].name)
    job = RoleJob(own.get("workflow", said["workflow"]), own.get("environment", said["environment"]))
    packages = own["packages"] if "packages" in own else _package_of(repository.name, name, lanes)
    return Lane(
        name=name,
        repository=repository.name,
        number=number,
        packages=tuple(dict.fromkeys(packages)),
        job=job,
        quota=own.get("quota", said["quota"]),
        contacts=own.get("contacts", ()),
        state=cast("LaneActivity", own.get("state", "active")),
        where=place(lanes, name),
        tracks=_tracks(node, own, packages, said),
        keys=tuple(_key(key, value, repository.name, job) for key, value in own.get("keys", {}).items()),
    )


def _tracks(node: Node, own: dict[str, Any], packages: Sequence[str], said: dict[str, Any]) -> tuple[str, ...]:
    """The packages that extend a project of the main index: what a lane does not publish it does not track."""
    tracks = tuple(dict.fromkeys(own.get("tracks", ())))
    if not tracks:
        return ()
    assert isinstance(node, Map)
    if other := [name for name in tracks if name not in packages]:
        hint = f"name one of {', '.join(packages)}, or add it to `packages`"
        raise error_at(node, f"the lane does not publish {other[0]}", key="tracks", hint=hint)
    if "index" not in said:
        raise error_at(node, "there is no main index to track", key="tracks", hint="write at the top: index: URL")
    return tracks


def _key(name: str, said: Any, repository: str, job: RoleJob) -> LaneKey:
    own: dict[str, Any] = said if isinstance(said, dict) else {"key": said}
    was = (own.get("repository", repository), own.get("workflow", job.workflow))
    return LaneKey(name, own["key"], own.get("until"), *was)


def _package_of(repository: str, lane: str, lanes: Map) -> tuple[str, ...]:
    """The package that a repository is named after."""
    try:
        return (package_name(repository.partition("/")[2]),)
    except FieldFault:
        headline = f"no package can have the name of {repository}"
        raise error_at(lanes, headline, key=lane, hint="name them: packages: [NAME]") from None


def _refuse_long_roles(found: LaneCatalogue, lanes: Map) -> None:
    for name in found.lanes:
        if len(role := found.role_of(name)) > _ROLE_NAME_LIMIT:
            headline = f"the name of its role, {role}, is longer than {_ROLE_NAME_LIMIT} characters"
            raise error_at(lanes, headline, key=name, hint="shorten the lane's name, or `roles`")


def _refuse_shared(found: LaneCatalogue, lanes: Map) -> None:
    """Raise ConfigurationError where two lanes claim one package, or have one repository or one key."""
    packages: dict[str, str] = {}
    keys: dict[str, str] = {}
    repositories: dict[str, str] = {}
    for lane in found.lanes.values():
        for package in lane.packages:
            if (other := packages.setdefault(package, lane.name)) != lane.name:
                hint = f"{other} claims it at {found.lanes[other].where}: a package is of one lane"
                raise error_at(lanes, f"two lanes claim the package {package}", key=lane.name, hint=hint)
        for repository in filter(None, (lane.repository.lower(), lane.number)):
            if (other := repositories.setdefault(repository, lane.name)) != lane.name:
                hint = f"{other} has it at {found.lanes[other].where}: its jobs could not be told apart"
                headline = f"two lanes have the repository {lane.repository}"
                raise error_at(lanes, headline, key=lane.name, hint=hint)
        for key in lane.keys:
            holder = keys.get(key.public.id)
            if holder == lane.name:
                headline, hint = f"the lane has the key {key.name} twice", "remove one of the two"
                raise error_at(lanes, headline, key=lane.name, hint=hint)
            if holder is not None:
                hint = f"{holder} has it at {found.lanes[holder].where}: make one for each lane"
                raise error_at(lanes, f"two lanes have the key {key.name}", key=lane.name, hint=hint)
            keys[key.public.id] = lane.name
