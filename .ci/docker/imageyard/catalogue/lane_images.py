"""Where images of lanes go: what `images.yml` needs of the `lanes.yml` beside it, and a catalogue as a lane has it.

`lanes/document.py` reads all of that file, and its roles and repositories have the names that are made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from imageyard.catalogue.model import BuilderSettings, Catalogue, LaneImages, Registry, Row, Where
from imageyard.catalogue.nodes import Map, Text, error_at, place
from imageyard.catalogue.scalars import FieldFault, repository
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.names import Arch

__all__ = [
    "LANES_FILE",
    "check_parents",
    "check_references",
    "in_lane",
    "lane_of",
    "lane_repository",
    "lane_role",
    "partition_of",
    "role_arn",
]

_IMAGE = "docker-image://"
LANES_FILE = "lanes.yml"
"""The catalogue of lanes, which stands beside that of images."""


def partition_of(region: str) -> str:
    """The part of AWS that a region is in (AWS General Reference, "Amazon Resource Names")."""
    kinds = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
    return next((kind for start, kind in kinds.items() if region.startswith(f"{start}-")), "aws")


def role_arn(region: str, account: str, role: str) -> str:
    """A role as IAM names it."""
    return f"arn:{partition_of(region)}:iam::{account}:role/{role}"


def lane_role(roles: str, lane: str) -> str:
    """The name of the role of a lane; `roles` is what the names of all roles begin with."""
    return f"{roles}-lane-{lane}"


def lane_repository(images: str, lane: str, ending: str) -> str:
    """A repository of a lane, `images` or `cache`, below the one that `lanes.yml` names."""
    return f"{images}/{lane}/{ending}"


def lane_of(root: Map, name: str, asked: Where) -> LaneImages:
    """The lane of a name in the nodes of `lanes.yml`; `asked` is where an image says the name.

    Raises ConfigurationError for a lane that is not there, at the image, and for keys that images need and that are
    missing, in `lanes.yml`. What else is wrong there is for `lanes/document.py` to say.
    """
    lanes = root.items.get("lanes")
    known = lanes.items if isinstance(lanes, Map) else {}
    file = place(root).file
    if name not in known:
        hint = did_you_mean(name, known) or f"write into {file}: lanes: {{{name}: OWNER/NAME@NUMBER}}"
        raise ConfigurationError(f"there is no lane {name!r} in {file}", at=asked, hint=hint)
    assert isinstance(lanes, Map)
    images = _text(root, "images", "images: HOST/PREFIX")
    try:
        repository(images)
    except FieldFault as fault:
        raise error_at(root.items["images"], fault.headline, hint=fault.hint) from None
    region, account = _text(root, "region", "region: us-east-1"), _text(root, "account", 'account: "123456789012"')
    role = lane_role(_text(root, "roles", "roles: BEGINNING"), name)
    return LaneImages(
        name=name,
        images=lane_repository(images, name, "images"),
        cache=lane_repository(images, name, "cache"),
        role=role_arn(region, account, role),
        region=region,
        where=place(lanes, name),
    )


def check_parents(rows: Iterable[Row]) -> None:
    """Raise ConfigurationError for an image that starts from one of a lane, unless it is of the same lane.

    What a lane publishes, a vendor wrote: nothing of ours, and nothing of another vendor, may have it inside.
    """
    images = [row.image for row in rows]
    lanes = {image.name: image.lane for image in images}
    for image in images:
        for arg, name in image.parents.items():
            lane = lanes.get(name)
            if lane in (None, image.lane):
                continue
            own = f"of the lane {image.lane}" if image.lane else "of no lane"
            told = () if image.lane else (f"or say that it is of the lane: lane: {lane}",)
            raise ConfigurationError(
                f"{image.name} is {own}, and starts from {name} of the lane {lane}",
                at=image.where_of(arg) or image.where,
                doing=f"resolving {arg}: image:{name}",
                hint=("let it start from an image of no lane", *told),
            )


def check_references(rows: Iterable[Row], lanes: Mapping[str, LaneImages]) -> None:
    """Raise ConfigurationError for an arg or a context that names an image at a repository of another lane.

    It is what `check_parents` refuses, in other words. What a Dockerfile itself names is not seen here.
    """
    above = {lane.images.removesuffix(lane_repository("", name, "images")) for name, lane in lanes.items()}
    for image in (row.image for row in rows):
        named = {**image.args, **{name: text.removeprefix(_IMAGE) for name, text in image.contexts.items()}}
        for key, value in named.items():
            prefix = next((one for one in above if value.startswith(f"{one}/")), None)
            if prefix is None:
                continue
            lane = value.removeprefix(f"{prefix}/").partition("/")[0]
            if lane != image.lane:
                raise ConfigurationError(
                    f"{image.name} names {value[:200]}, which is of the lane {lane}",
                    at=image.where_of(key) or image.where,
                    hint="let it start from an image of no lane",
                )


def in_lane(whole: Catalogue, lane: str | None) -> Catalogue:
    """A catalogue as runs of a lane see it, or None for those of no lane: whose rows these build, and where they go.

    Runs of no lane see no row of any. Those of a lane see its rows, and those of no lane that these start from, as they
    are published: they write to the repositories of the lane alone, by its role, with its caches, and build with no
    builder that keeps layers of others. Raises ConfigurationError for a lane that no image is of.
    """
    if lane is None:
        return _only(whole, [row for row in whole.rows if row.image.lane is None])
    if lane not in whole.lanes:
        hint = did_you_mean(lane, whole.lanes) or "say it of one: lane: NAME"
        raise ConfigurationError(f"no image is of the lane {lane[:100]!r}", at=whole.file, hint=hint)
    found = whole.lanes[lane]
    wanted = _with_parents(whole.rows, lane)
    return replace(
        _only(whole, [row for row in whole.rows if (row.name, row.arch) in wanted]),
        lane=lane,
        main=whole.registry,
        registry=Registry(found.images, found.images),
        mirrors=(),
        builders=BuilderSettings(),
        settings=_settings(whole.settings, found),
    )


def _settings(settings: Mapping[str, object], lane: LaneImages) -> Mapping[str, object]:
    """The settings of a lane: its role, its caches, and folders of its own in the buckets of copies and of the page."""
    ecr = settings.get("ecr")
    kept = {key: ecr[key] for key in ("session", "duration") if key in ecr} if isinstance(ecr, Mapping) else {}
    found = {
        **settings,
        "ecr": {**kept, "role": lane.role, "region": lane.region, "create": False},
        "cache": {"trusted": lane.cache, "branch": lane.cache},
    }
    for section in ("backup", "page"):
        said = settings.get(section)
        if isinstance(said, Mapping):
            above = str(said.get("prefix", "")).rstrip("/")
            own = {key: value for key, value in said.items() if key != "role"}
            found[section] = {**own, "prefix": f"{above}/lanes/{lane.name}".lstrip("/")}
    return found


def _only(whole: Catalogue, rows: list[Row]) -> Catalogue:
    names = dict.fromkeys(row.name for row in rows)
    return replace(
        whole,
        rows=tuple(rows),
        images={name: image for name, image in whole.images.items() if name in names},
        elsewhere={name: image.lane for name, image in whole.images.items() if name not in names},
    )


def _with_parents(rows: tuple[Row, ...], lane: str) -> set[tuple[str, Arch]]:
    """The rows of a lane and all that they start from; rows have their parents before them."""
    wanted: set[tuple[str, Arch]] = set()
    for row in reversed(rows):
        if row.image.lane == lane or (row.name, row.arch) in wanted:
            wanted |= {(row.name, row.arch), *((parent, row.arch) for parent in row.image.parents.values())}
    return wanted


def _text(root: Map, key: str, line: str) -> str:
    node = root.items.get(key)
    if isinstance(node, Text) and node.text and re.fullmatch(r"[^\s*?]+", node.text):
        return node.text
    raise error_at(root, f"images of lanes need `{key}`", key=key if node is not None else None, hint=f"write: {line}")
