"""What has to change at AWS so that what stands for lanes is what should; in which order, and how a person reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from imageyard.errors import PolicyRefused
from imageyard.iam import PolicyDocument, document
from imageyard.lanes.estate import ABANDONED_AFTER, LANE_TAG, MARK, EstateRepository, EstateRole, LaneEstate

__all__ = [
    "POLICY_NAME",
    "DeleteRole",
    "DetachPolicy",
    "DropPolicy",
    "LaneChange",
    "LaneStanding",
    "MakeLaneRepository",
    "MakeRole",
    "SetBucketPolicy",
    "SetLifecycle",
    "SetOwnership",
    "SetPolicy",
    "SetTrust",
    "SetVersioning",
    "StandingRole",
    "changes",
    "described",
    "removal",
]

POLICY_NAME = "lanes"
"""The name of the one policy that a role of ours has."""
_RULE = f"{MARK}-abandoned-uploads"
_OURS = "Lanes"
"""What the names of our statements in a bucket's policy begin with; all others there are left alone."""


@dataclass(frozen=True)
class StandingRole:
    """A role as it stands: its own policies by name, and the ARNs of those that are attached."""

    name: str
    trust: PolicyDocument
    policies: Mapping[str, PolicyDocument]
    attached: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class LaneStanding:
    """What stands: roles by name, the tags of repositories by the name that a lane's catalogue gives them."""

    roles: Mapping[str, StandingRole]
    repositories: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bucket_policy: PolicyDocument | None = None
    versioned: bool = False
    owner_enforced: bool = False
    lifecycle: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class SetVersioning:
    """Old versions are kept: a purge then deletes all of them, and a mistake of it is no loss before that."""


@dataclass(frozen=True)
class SetOwnership:
    """All objects are the bucket's owner's, and there are no ACLs."""


@dataclass(frozen=True)
class SetLifecycle:
    """All rules for the life of objects: those of others as they are, and ours, by which abandoned uploads go."""

    rules: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class SetBucketPolicy:
    """The bucket's policy, with the statements of others that are in it."""

    policy: PolicyDocument
    lines: tuple[str, ...]


@dataclass(frozen=True)
class MakeLaneRepository:
    """A repository of images that is not there."""

    repository: EstateRepository


@dataclass(frozen=True)
class MakeRole:
    """A role that is not there."""

    role: EstateRole


@dataclass(frozen=True)
class SetTrust:
    """Another trust policy than the one that stands."""

    role: EstateRole
    lines: tuple[str, ...]


@dataclass(frozen=True)
class SetPolicy:
    """Another policy than the one that stands."""

    role: EstateRole
    lines: tuple[str, ...]


@dataclass(frozen=True)
class DropPolicy:
    """A policy of a role of ours that we did not give it."""

    role: str
    policy: str


@dataclass(frozen=True)
class DetachPolicy:
    """A policy that somebody attached to a role of ours."""

    role: str
    policy: str


@dataclass(frozen=True)
class DeleteRole:
    """A role of ours, after its policies."""

    role: str


LaneChange: TypeAlias = (
    SetVersioning | SetOwnership | SetLifecycle | SetBucketPolicy | MakeLaneRepository | MakeRole | SetTrust
    | SetPolicy | DropPolicy | DetachPolicy | DeleteRole
)  # fmt: skip


def changes(wanted: LaneEstate, standing: LaneStanding) -> list[LaneChange]:
    """What is to be done, in order: the bucket first, so that no role can write before nothing can be replaced.

    Raises PolicyRefused, before anything is done, for a role or a repository of ours that somebody else made.
    """
    _refuse_foreign(wanted, standing)
    found: list[LaneChange] = []
    if wanted.bucket_policy is not None:
        found += [] if standing.versioned else [SetVersioning()]
        found += [] if standing.owner_enforced else [SetOwnership()]
        found += [] if any(map(_abandons, standing.lifecycle)) else [SetLifecycle(_with_ours(standing.lifecycle))]
        whole = _merged(standing.bucket_policy, wanted.bucket_policy)
        if lines := _difference(standing.bucket_policy, whole):
            found.append(SetBucketPolicy(whole, lines))
    found += [MakeLaneRepository(one) for one in wanted.repositories if one.reference.name not in standing.repositories]
    for role in wanted.roles:
        found += _role_changes(role, standing.roles.get(role.name))
    return found


def removal(role: StandingRole, lane: str, bucket: str) -> list[LaneChange]:
    """What takes a lane's role away. Raises PolicyRefused for a role that is not ours, or another lane's."""
    if role.tags.get(MARK) != bucket or role.tags.get(LANE_TAG) != lane:
        raise _foreign("role", role.name, bucket)
    return [
        *(DetachPolicy(role.name, arn) for arn in role.attached),
        *(DropPolicy(role.name, name) for name in role.policies),
        DeleteRole(role.name),
    ]


def described(change: LaneChange) -> list[str]:
    """A change as lines for a reader: what it is about, and below it `+` for what comes and `-` for what goes."""
    match change:
        case SetVersioning():
            return ["the bucket: keep old versions"]
        case SetOwnership():
            return ["the bucket: switch ACLs off"]
        case SetLifecycle():
            return [f"the bucket: remove uploads that nobody ends, after {ABANDONED_AFTER} days"]
        case SetBucketPolicy(lines=lines):
            return ["the policy of the bucket:", *lines]
        case MakeLaneRepository(repository):
            return [f"the repository {repository.reference.name}: make it"]
        case MakeRole(role):
            trust = [f"  + trust: {line}" for line in _facts(role.trust)]
            return [f"the role {role.name}: make it", *trust, *(f"  + policy: {line}" for line in _facts(role.policy))]
        case SetTrust(role, lines):
            return [f"who may take the role {role.name}:", *lines]
        case SetPolicy(role, lines):
            return [f"what the role {role.name} may do:", *lines]
        case DropPolicy(role, policy):
            return [f"the role {role}: delete its policy {policy}"]
        case DetachPolicy(role, policy):
            return [f"the role {role}: detach {policy}"]
        case DeleteRole(role):
            return [f"the role {role}: delete it"]


def _role_changes(role: EstateRole, stands: StandingRole | None) -> Iterator[LaneChange]:
    if stands is None:
        yield MakeRole(role)
        return
    if lines := _difference(stands.trust, role.trust):
        yield SetTrust(role, lines)
    if lines := _difference(stands.policies.get(POLICY_NAME), role.policy):
        yield SetPolicy(role, lines)
    yield from (DropPolicy(role.name, name) for name in stands.policies if name != POLICY_NAME)
    yield from (DetachPolicy(role.name, arn) for arn in stands.attached)


def _refuse_foreign(wanted: LaneEstate, standing: LaneStanding) -> None:
    for role in wanted.roles:
        stands = standing.roles.get(role.name)
        if stands and any(stands.tags.get(name) != value for name, value in role.tags.items()):
            raise _foreign("role", role.name, wanted.bucket)
    for one in wanted.repositories:
        tags = standing.repositories.get(one.reference.name)
        if tags is not None and any(tags.get(name) != value for name, value in one.tags.items()):
            raise _foreign("repository", one.reference.name, wanted.bucket)


def _foreign(what: str, name: str, bucket: str) -> PolicyRefused:
    return PolicyRefused(
        f"the {what} {name} is there, and was not made for this lane",
        doing="comparing what stands with what should",
        hint=(
            "rename or delete it, or change `roles` or `images` in lanes.yml",
            f"what is made here has the tag {MARK}={bucket}",
        ),
    )


def _abandons(rule: Mapping[str, Any]) -> bool:
    """Whether it is our rule, as it should be, for the whole bucket."""
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    where = {**rule.get("Filter", {}), "Prefix": rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") or ""}
    return (rule.get("ID"), rule.get("Status"), days, where) == (_RULE, "Enabled", ABANDONED_AFTER, {"Prefix": ""})


def _with_ours(rules: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    abort = {"DaysAfterInitiation": ABANDONED_AFTER}
    ours = {"ID": _RULE, "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": abort}
    return (*(rule for rule in rules if rule.get("ID") != _RULE), ours)


def _merged(stands: PolicyDocument | None, wanted: PolicyDocument) -> PolicyDocument:
    """Our statements, behind those of others."""
    others = [one for one in _statements(stands) if not str(one.get("Sid", "")).startswith(_OURS)]
    return document(*others, *wanted["Statement"])


def _difference(stands: PolicyDocument | None, wanted: PolicyDocument) -> tuple[str, ...]:
    """What goes and what comes; nothing where both say the same, in whatever order or form AWS kept it."""
    before, after = Counter(_facts(stands)), Counter(_facts(wanted))
    gone, come = before - after, after - before
    return (*(f"  - {line}" for line in gone.elements()), *(f"  + {line}" for line in come.elements()))


def _facts(policy: PolicyDocument | None) -> Iterator[str]:
    """Each leaf of a policy as a line, by the name of its statement."""
    for number, statement in enumerate(_statements(policy), 1):
        name = statement.get("Sid") or f"statement {number}"
        yield from _leaves(name, {key: value for key, value in statement.items() if key != "Sid"})


def _leaves(path: str, value: Any) -> Iterator[str]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _leaves(f"{path} {key}", inner)
        case list() | tuple():
            for inner in value:
                yield from _leaves(path, inner)
        case _:
            yield f"{path} = {value}"


def _statements(policy: PolicyDocument | None) -> Sequence[PolicyDocument]:
    found = policy.get("Statement", []) if policy else []
    return found if isinstance(found, list) else [found]
