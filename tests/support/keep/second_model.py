"""A second model of retention, plainly written: which manifests must not go, and which must.

It shares no line with `imageyard.keep` and imports nothing of the package, so that a slip in one does not repeat itself
in the other. It reads plain dicts, walks over everything as often as anything changes, and knows no order of reasons.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

HOUR, DAY = 3600, 86400


@dataclass
class World:
    """A repository as dicts, all times in seconds; `now` is the time of the run."""

    now: int = 1000 * DAY
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    reachable_tags: dict[str, str] = field(default_factory=dict)
    kept_commits: set[str] = field(default_factory=set)
    pinned_digests: set[str] = field(default_factory=set)
    pinned_tags: set[str] = field(default_factory=set)
    backups: set[str] = field(default_factory=set)
    unversioned: set[str] = field(default_factory=set)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[str, ...] = ("linux-a", "linux-b")


def about(world: World, digest: str) -> set[str]:
    """All digests that a manifest says to be about."""
    it = world.manifests[digest]
    said = set(it["attests"]) | ({it["subject"]} if it["subject"] else set())
    for tag in it["tags"]:
        if tag.startswith("sha256-"):
            said.add("sha256:" + tag[len("sha256-") :].split(".")[0])
    return said


def pulling_tags(world: World, digest: str) -> list[str]:
    return [tag for tag in world.manifests[digest]["tags"] if not tag.startswith("sha256-")]


def life(world: World, tag: str, digest: str) -> float:
    """For how many seconds after its push a tag alone keeps a manifest."""
    if tag in world.pinned_tags or "-release" in tag:
        return float("inf")
    if tag in world.images or tag in world.reachable_tags:
        return float("inf")
    if tag.startswith("tmp-"):
        return DAY
    image = next((name for name in world.images if tag.startswith(name + "-")), None)
    if image is None:
        return float("inf")
    rest = tag[len(image) + 1 :]
    if rest.startswith("weekly-"):
        return 14 * DAY
    if len(rest) == 20 and set(rest) <= set("0123456789abcdef"):
        return 90 * DAY if digest in world.unversioned else 30 * DAY
    return float("inf")


def demands_backup(world: World, tag: str) -> bool:
    return life(world, tag, "") in (30 * DAY, 90 * DAY)


def keeps_itself(world: World, digest: str) -> bool:
    it = world.manifests[digest]
    age = None if it["pushed"] is None else world.now - it["pushed"]
    tags = pulling_tags(world, digest)
    if digest in world.pinned_digests:
        return True
    if any(life(world, tag, digest) == float("inf") for tag in tags):
        return True
    for other, its in world.manifests.items():
        if its["commit"] in world.kept_commits and digest in about(world, other):
            return True
    if it["pulled"] is not None and world.now - it["pulled"] < 14 * DAY:
        return True
    if age is not None and age < 2 * HOUR:
        return True
    if it["archived"] and (it["archived_at"] is None or world.now - it["archived_at"] < 90 * DAY):
        return True
    if not tags:
        listed = any(digest in (its["children"] or ()) for its in world.manifests.values())
        if listed or about(world, digest) & set(world.manifests):
            return False  # it lives and dies with these
        return age is None or age < DAY
    if age is None:
        return True
    if any(age < life(world, tag, digest) for tag in tags):
        return True
    return any(demands_backup(world, tag) for tag in tags) and digest not in world.backups


def survivors(world: World) -> set[str]:
    """The digests that must be there after the run: a fixed point, found by brute force."""
    alive = {digest for digest in world.manifests if keeps_itself(world, digest)}
    pulled = {
        digest
        for digest in world.manifests
        if (time := world.manifests[digest]["pulled"]) is not None and world.now - time < 14 * DAY
    }
    while True:
        before = len(alive)
        for digest, it in world.manifests.items():
            if set(it["children"] or ()) & pulled:
                pulled.add(digest)
                alive.add(digest)
            if digest not in alive:
                continue
            alive |= set(it["children"] or ()) & set(world.manifests)
            alive |= about(world, digest) & set(world.manifests)
            for tag in it["tags"]:
                for parent in world.parents.get(tag, ()):
                    alive |= {one for one, its in world.manifests.items() if parent in its["tags"]}
        alive |= {digest for digest in world.manifests if about(world, digest) & alive}
        hidden = [
            world.now if it["pushed"] is None else it["pushed"]
            for digest, it in world.manifests.items()
            if digest in alive and it["children"] is None
        ]
        if hidden:
            alive |= {
                digest for digest, it in world.manifests.items() if it["pushed"] is None or it["pushed"] <= max(hidden)
            }
        if len(alive) == before:
            return alive


def random_world(seed: int) -> World:
    """A registry that has all the odd things, by its seed."""
    chance = random.Random(seed)
    world = World()
    names: list[str] = []
    commits = [f"{number:040x}" for number in range(6)]
    world.kept_commits = set(chance.sample(commits, 2))

    def digest() -> str:
        return "sha256:" + "".join(chance.choice("0123456789abcdef") for _ in range(64))

    def some(values: list[str], most: int) -> list[str]:
        return chance.sample(values, min(len(values), chance.randint(0, most)))

    def time() -> int | None:
        if chance.random() < 0.05:
            return None
        near = chance.choice([HOUR, 3 * HOUR, 2 * DAY, 13 * DAY, 15 * DAY, 29 * DAY, 31 * DAY, 89 * DAY, 200 * DAY])
        return world.now - near + chance.randint(-HOUR // 2, HOUR // 2)

    def tags() -> list[str]:
        made = []
        for _ in range(chance.choice([0, 0, 1, 1, 1, 2])):
            image = chance.choice(world.images)
            hexes = "".join(chance.choice("0123456789abcdef") for _ in range(20))
            made.append(
                chance.choice(
                    [
                        f"{image}-{hexes}",
                        f"{image}-{hexes}",
                        f"{image}-{hexes}",
                        f"{image}-weekly-2026{chance.randint(1000, 1231)}",
                        f"tmp-{hexes}",
                        f"{image}-release-{hexes[:3]}",
                        f"other-{hexes}",
                        f"theirs-{hexes[:4]}",
                        f"linux-c-{hexes}",
                    ]
                )
            )
        return made

    def add(**said: Any) -> str:
        name = digest()
        world.manifests[name] = {
            "children": [], "subject": None, "attests": [], "tags": [], "pushed": time(), "pulled": None,
            "archived": False, "archived_at": None, "commit": None, "index": False, **said,
        }  # fmt: skip
        names.append(name)
        if chance.random() < 0.15:
            world.manifests[name]["pulled"] = time()
        if chance.random() < 0.05:
            world.manifests[name] |= {"archived": True, "archived_at": time()}
        return name

    for _ in range(chance.randint(2, 14)):
        add(tags=tags())
    for _ in range(chance.randint(0, 6)):
        children = some(names, 4)
        if chance.random() < 0.2:
            children.append(digest())  # a child that is missing
        name = add(children=children, tags=tags(), index=True)
        if children and chance.random() < 0.5:
            attestation = add(attests=[children[0]])
            world.manifests[name]["children"].append(attestation)
        if world.manifests[name]["archived"] and chance.random() < 0.3:
            world.manifests[name]["children"] = None
    for _ in range(chance.randint(0, 5)):
        subject = chance.choice([*names, digest()])
        commit = chance.choice([None, None, *commits])
        add(subject=subject, commit=commit, tags=tags() if chance.random() < 0.1 else [])
    for _ in range(chance.randint(0, 3)):
        subject = chance.choice([*names, digest()])
        ending = chance.choice([".sig", ".att", ".sbom", ""])
        add(tags=[subject.replace(":", "-") + ending], children=[] if ending else some(names, 2), index=not ending)
    for image in world.images:
        if names and chance.random() < 0.5:
            world.manifests[chance.choice(names)]["tags"].append(image)
    every = [tag for it in world.manifests.values() for tag in it["tags"] if not tag.startswith("sha256-")]
    world.reachable_tags = {tag: chance.choice(commits) for tag in some(every, 3)}
    world.pinned_tags = set(some(every, 1))
    world.pinned_digests = set(some(names, 1))
    world.unversioned = set(some(names, 4))
    world.backups = {name for name in names if chance.random() < 0.7}
    if len(every) > 1:
        world.parents = {chance.choice(every): tuple(some(every, 1))}
    return world


def go_on(world: World, seed: int) -> World:
    """What others do while the run is at work: pulls, pushes of new images, new tags on old ones."""
    chance = random.Random(seed)
    names = list(world.manifests)
    manifests = {name: {**it, "tags": list(it["tags"])} for name, it in world.manifests.items()}
    for name in names:
        if chance.random() < 0.15:
            manifests[name]["pulled"] = world.now
        if chance.random() < 0.1:
            manifests[name]["tags"].append(f"theirs-late-{chance.randint(0, 999)}")
    if names and chance.random() < 0.7:
        late = "sha256:" + "".join(chance.choice("0123456789abcdef") for _ in range(64))
        manifests[late] = {
            "children": chance.sample(names, min(len(names), 3)), "subject": None, "attests": [], "tags": ["linux-a"],
            "pushed": world.now, "pulled": None, "archived": False, "archived_at": None, "commit": None, "index": True,
        }  # fmt: skip
    after = World(**{**world.__dict__, "manifests": manifests})
    after.now = world.now + 60
    return after
