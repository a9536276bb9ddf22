"""What an IAM policy says to one question, as far as the policies of the documentation need it.

Effect, Action, Resource or NotResource with `*` and `?`, the conditions of `_holds`, and a Principal that is everybody,
a service or a provider of identities are understood; anything else in a policy, a variable among them, is an error:
nothing passes because it was not read (AWS IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements:
Condition operators").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["allowed", "anywhere", "may_assume"]

_SPECIAL = {"*": ".*", "?": "."}
_KNOWN = {"Sid", "Effect", "Action", "Resource", "NotResource", "Condition", "Principal"}


def allowed(
    policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Whether policies allow an action on a resource; a Deny wins."""
    effects = [
        statement["Effect"]
        for policy in policies
        for statement in _list(policy["Statement"])
        if _applies(statement, action, resource, context or {})
    ]
    return "Allow" in effects and "Deny" not in effects


def anywhere(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy as moto can judge it, which takes every resource of ECR for `*`."""
    statements = _list(policy["Statement"])
    wider = [s | ({"Resource": "*"} if str(s.get("Resource")).find(":ecr:") > 0 else {}) for s in statements]
    return {**policy, "Statement": [one for one in wider if one["Action"]]}


def may_assume(trust: Mapping[str, Any], provider: str, claims: Mapping[str, object]) -> bool:
    """Whether a trust policy lets the bearer of a token with these claims, from `provider`, take the role."""
    context = {f"{provider}:{name}": str(value) for name, value in claims.items()}
    statements = [s for s in _list(trust["Statement"]) if s["Principal"].get("Federated", "").endswith(f"/{provider}")]
    return allowed([{"Statement": statements}], "sts:AssumeRoleWithWebIdentity", "", context)


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    assert set(statement) <= _KNOWN, f"not understood: {set(statement) - _KNOWN}"
    if not any(_like(action.lower(), one.lower()) for one in _list(statement["Action"])):
        return False
    named = "NotResource" if "NotResource" in statement else "Resource"
    if any(_like(resource, one) for one in _list(statement.get(named, ""))) is (named == "NotResource"):
        return False
    if not _is(statement.get("Principal", "*"), context):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        if not all(_holds(operator, context.get(key), _list(values)) for key, values in wanted.items()):
            return False
    return True


def _is(principal: Any, context: Mapping[str, str]) -> bool:
    """Whether a statement is about whoever asks; a service says its name, and who may federate is sorted out before."""
    match principal:
        case "*" | {"AWS": _} | {"Federated": _}:
            return True
        case {"Service": str(service)}:
            return context.get("aws:PrincipalServiceName") == service
        case _:
            raise AssertionError(f"not understood: {principal}")


def _holds(operator: str, value: str | None, wanted: list[str]) -> bool:
    """One condition; a claim that is missing equals nothing and is like nothing, so that a negated one is true."""
    match operator:
        case "Null":
            return (value is None) is (wanted == ["true"])
        case "Bool":
            return value is not None and value in wanted
        case "ArnNotEquals":
            return value is None or not any(_like(value, one) for one in wanted)
        case "StringEquals":
            return value is not None and value in wanted
        case "StringNotEquals":
            return value is None or value not in wanted
        case "StringLike":
            return value is not None and any(_like(value, one) for one in wanted)
        case "StringNotLike":
            return value is None or not any(_like(value, one) for one in wanted)
        case _:
            raise AssertionError(f"not understood: {operator}")


def _like(text: str, pattern: str) -> bool:
    """Whether a text matches: `*` is any characters, `/` among them, and `?` is one."""
    assert "$" not in pattern, f"not understood: {pattern}"
    words = (_SPECIAL.get(part, re.escape(part)) for part in re.split("([*?])", pattern))
    return re.fullmatch("".join(words), text, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
