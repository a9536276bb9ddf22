"""What an IAM policy says to one question, as far as the policies of the documentation need it.

Effect, Action, Resource with `*` and `?`, and the conditions StringEquals and StringLike are understood; anything else
in a policy is an error: nothing passes because it was not read (AWS IAM User Guide, "Policy evaluation logic").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["allowed", "anywhere", "may_assume"]

_KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}


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
    if not any(_like(resource, one) for one in _list(statement.get("Resource", ""))):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        assert operator in ("StringEquals", "StringLike"), f"not understood: {operator}"
        for key, values in wanted.items():
            found = context.get(key)
            if found is None:
                return False
            if not any(found == one or (operator == "StringLike" and _like(found, one)) for one in _list(values)):
                return False
    return True


def _like(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
