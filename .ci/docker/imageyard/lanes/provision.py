"""`inv lane.provision` and `inv lane.deprovision`: what differs is told first, and made where a person says so."""

from __future__ import annotations

from collections.abc import Sequence

from imageyard.ci.providers.base import Provider
from imageyard.console import Story
from imageyard.errors import PolicyRefused
from imageyard.lanes.account import LaneAccount
from imageyard.lanes.changes import LaneChange, changes, described, removal
from imageyard.lanes.estate import LANE_TAG, MARK, estate
from imageyard.lanes.model import LaneCatalogue

__all__ = ["deprovision", "provision"]


def provision(found: LaneCatalogue, provider: Provider, account: LaneAccount, reporter: Story, *, yes: bool) -> str:
    """Make what stands for lanes what it should be; returns the differences as lines, nothing where there are none.

    Without `yes` nothing is changed. A call that ends half-way leaves a part that the next one does not do again.
    Raises PolicyRefused where a role or repository of that name was made by somebody else, and for credentials of
    another account: nothing is changed then.
    """
    wanted = estate(found, provider)
    _refuse_another_account(found, account)
    todo = changes(wanted, account.standing(wanted))
    for name in _left_over(found, account):
        reporter.warn(
            f"the lane {name} is no longer in {found.file}, and its files are served on: inv lane.deprovision {name}"
        )
    return _carried_out(todo, account, reporter, yes=yes)


def deprovision(found: LaneCatalogue, lane: str, account: LaneAccount, reporter: Story, *, yes: bool) -> str:
    """Delete the role of a lane, so that nobody publishes in it; files, requests and repositories stay.

    Raises PolicyRefused for an active lane of the catalogue, whose role the next provisioning would make again, and
    for a role that somebody else made.
    """
    if lane in found.lanes and not found.lanes[lane].is_suspended:
        raise PolicyRefused(
            f"the lane {lane} is active",
            at=found.lanes[lane].where,
            hint=(
                "write `state: suspended` first, and inv lane.provision --yes: nobody publishes there from then on",
                "withdraw what nobody shall get: inv lane.withdraw LANE FILE --centre --reason WHY --yes",
                "then remove the lane: nobody withdraws a file of one that is gone from it",
            ),
        )
    _refuse_another_account(found, account)
    role = account.role(found.role_of(lane))
    if role is None:
        reporter.step(f"there is no role of the lane {lane}")
        return ""
    done = _carried_out(removal(role, lane, found.bucket), account, reporter, yes=yes)
    reporter.step(f"the files of the lane {lane} and its repositories of images stay, and its pages are served on")
    return done


def _refuse_another_account(found: LaneCatalogue, account: LaneAccount) -> None:
    """Raise PolicyRefused where roles would be made in another account than the bucket's policy names them in."""
    if (number := account.number()) != found.account:
        raise PolicyRefused(
            f"the AWS credentials are of the account {number}, and not of {found.account}",
            at=found.file,
            hint="aws sts get-caller-identity    (who are you to AWS?)",
        )


def _left_over(found: LaneCatalogue, account: LaneAccount) -> list[str]:
    """Lanes that are gone from the catalogue and still have a role of ours."""
    beginning = found.role_of("")
    names = [name.removeprefix(beginning) for name in account.role_names(beginning)]
    roles = [(name, account.role(found.role_of(name))) for name in names if name not in found.lanes]
    return [
        name for name, role in roles if role and (role.tags.get(MARK), role.tags.get(LANE_TAG)) == (found.bucket, name)
    ]


def _carried_out(todo: Sequence[LaneChange], account: LaneAccount, reporter: Story, *, yes: bool) -> str:
    if not todo:
        reporter.step("nothing differs")
        return ""
    for change in todo if yes else ():
        account.apply(change)
        reporter.step(f"done: {described(change)[0].rstrip(':')}")
    if not yes:
        reporter.step("nothing was changed: --yes does it")
    return "\n".join(line for change in todo for line in described(change))
