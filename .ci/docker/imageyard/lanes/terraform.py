"""What has to stand for lanes, as Terraform: plain HCL in the form that `terraform fmt` gives it.

HCL native syntax specification; Terraform's documentation, "Style Guide". The form was compared with `terraform fmt` of
Terraform 1.11. Resources are those of the provider hashicorp/aws, 6.x.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from imageyard.lanes.changes import POLICY_NAME
from imageyard.lanes.estate import ABANDONED_AFTER, MARK, EstateRepository, EstateRole, LaneEstate
from imageyard.registry.vendors.ecr import MOVING

__all__ = ["render", "value"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LIST_WIDTH = 80
"""Characters of a list that stands on one line; a longer one has a line for each item, for readers of a diff."""
_HEADER = "# Written by `inv lane.render`: change lanes.yml, and write this anew.\n"


class _Expression(str):
    """Text that stands in HCL as it is."""

    __slots__ = ()


class _Block(dict[str, Any]):
    """Plain data that is a block within a block, and no value of a key."""

    __slots__ = ()


def render(wanted: LaneEstate) -> str:
    """All resources, those that belong together beside each other."""
    blocks = [block for role in wanted.roles for block in _role(role)]
    blocks += [_repository(one) for one in wanted.repositories]
    blocks += _bucket(wanted)
    return "\n".join([_HEADER, *blocks])


def _role(role: EstateRole) -> list[str]:
    main = {
        "name": role.name,
        "description": role.about,
        "assume_role_policy": _encoded(role.trust),
        "tags": dict(role.tags),
    }
    own = {
        "name": POLICY_NAME,
        "role": _Expression(f"aws_iam_role.{role.label}.name"),
        "policy": _encoded(role.policy),
    }
    return [
        _resource("aws_iam_role", role.label, main),
        _resource("aws_iam_role_policy", role.label, own),
        # a policy that somebody else attached would let the role do more
        _resource(
            "aws_iam_role_policies_exclusive",
            role.label,
            {
                "role_name": _Expression(f"aws_iam_role.{role.label}.name"),
                "policy_names": [_Expression(f"aws_iam_role_policy.{role.label}.name")],
            },
        ),
        _resource(
            "aws_iam_role_policy_attachments_exclusive",
            role.label,
            {"role_name": _Expression(f"aws_iam_role.{role.label}.name"), "policy_arns": []},
        ),
    ]


def _repository(one: EstateRepository) -> str:
    said: dict[str, Any] = {
        "name": one.reference.repository,
        "image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION" if one.held else "MUTABLE",
        "tags": dict(one.tags),
    }
    blocks = [
        ("image_tag_mutability_exclusion_filter", {"filter": pattern, "filter_type": "WILDCARD"})
        for pattern in (MOVING if one.held else ())
    ]
    return _resource("aws_ecr_repository", one.label, said, blocks)


def _bucket(wanted: LaneEstate) -> list[str]:
    if wanted.bucket_policy is None:
        return []
    name = {"bucket": wanted.bucket}
    return [
        _resource("aws_s3_bucket_versioning", "lanes", name, [("versioning_configuration", {"status": "Enabled"})]),
        _resource(
            "aws_s3_bucket_ownership_controls", "lanes", name, [("rule", {"object_ownership": "BucketOwnerEnforced"})]
        ),
        _resource("aws_s3_bucket_lifecycle_configuration", "lanes", name, [("rule", _abandoned_rule())]),
        _resource("aws_s3_bucket_policy", "lanes", {**name, "policy": _encoded(wanted.bucket_policy)}),
    ]


def _abandoned_rule() -> dict[str, Any]:
    after = {"days_after_initiation": ABANDONED_AFTER}
    blocks = {"filter": _Block(), "abort_incomplete_multipart_upload": _Block(after)}
    return {"id": f"{MARK}-abandoned-uploads", "status": "Enabled", **blocks}


def _resource(
    kind: str, label: str, said: Mapping[str, Any], blocks: Sequence[tuple[str, Mapping[str, Any]]] = ()
) -> str:
    lines = [f'resource "{kind}" "{label}" {{', *_items(said, 1)]
    for name, inner in blocks:
        lines += ["", f"  {name} {{", *_items(inner, 2), "  }"]
    return "\n".join([*lines, "}", ""])


def _encoded(policy: Mapping[str, Any]) -> _Expression:
    return _Expression(f"jsonencode({value(policy, 1)})")


def value(data: Any, depth: int = 0) -> str:
    """Plain data as an expression of HCL; `depth` is how far the line that it begins in is indented."""
    match data:
        case _Expression():
            return str(data)
        case str():
            return _quoted(data)
        case Mapping() if data:
            return "\n".join(["{", *_items(data, depth + 1), f"{'  ' * depth}}}"])
        case _Block():
            return "{}"
        case list() | tuple():
            flat = f"[{', '.join(value(one) for one in data)}]"
            if "\n" not in flat and len(flat) <= _LIST_WIDTH:
                return flat
            items = [f"{'  ' * (depth + 1)}{value(one, depth + 1)}," for one in data]
            return "\n".join(["[", *items, f"{'  ' * depth}]"])
        case _:
            return json.dumps(data)


def _items(data: Mapping[str, Any], depth: int) -> list[str]:
    """Lines of `key = value`; neighbours that take one line each have their `=` below each other."""
    lines: list[str] = []
    run: list[tuple[str, str]] = []
    for name, one in data.items():
        key, text = (name if _IDENTIFIER.fullmatch(name) else _quoted(name)), value(one, depth)
        is_block = isinstance(one, _Block)
        if not is_block and "\n" not in text:
            run.append((key, text))
            continue
        lines += _aligned(run, depth)
        run = []
        lines += [""] if is_block and lines else []
        lines.append(f"{'  ' * depth}{key} {text}" if is_block else f"{'  ' * depth}{key} = {text}")
    return [*lines, *_aligned(run, depth)]


def _aligned(run: Sequence[tuple[str, str]], depth: int) -> list[str]:
    width = max((len(key) for key, _ in run), default=0)
    return [f"{'  ' * depth}{key.ljust(width)} = {text}" for key, text in run]


def _quoted(text: str) -> str:
    """A string of HCL; what would begin a template in it stands for itself (HCL, "Template Expressions")."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
