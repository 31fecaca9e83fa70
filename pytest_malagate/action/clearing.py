"""Clearing freezes by a command: what stood when it was asked for, and nothing else.

A job may run long after somebody asked for it: it waits for others, and anybody who may write can
run it again, in the name of whoever asked. So a clear is of the moment at which it was asked for,
and a freeze that was set later stands. Failure direction: closed. GitHub tells whole seconds, so
what was set in the same second counts as later; where a moment cannot be told nothing is cleared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from pytest_malagate.action.desk import Desk
from pytest_malagate.action.orders import Order
from pytest_malagate.admission.authors import is_author
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.environment import IssueRef
from pytest_malagate.github.freeze_issues import label_events, moment_of
from pytest_malagate.github.records import Comment
from pytest_malagate.github.runs import run_of
from pytest_malagate.queue.freezing import check_clear
from pytest_malagate.queue.model import Freeze, Person
from pytest_malagate.queue.store import ConflictError


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The freezes that stand, their issues, the control issue's number and who writes there."""

    freezes: tuple[Freeze, ...]
    issues: dict[int, int]
    control: int
    writer: str


def asked_at(desk: Desk, comment: Comment | None) -> float:
    """When a clear was asked for, in seconds by GitHub's clock: a comment's time, or this run's.

    A run keeps the time of its first attempt, whoever runs it again. Raises MachineryError where
    nobody can tell.
    """
    if comment is not None:
        said = moment_of(comment.created_at)
    else:
        said = moment_of(run_of(desk.client, desk.job.runner.run_id).created_at)
    if said <= 0:
        raise MachineryError("nothing was cleared: it cannot be told when that was asked for")
    return said


def clear(desk: Desk, order: Order, who: Person, issue: IssueRef | None, said: float) -> str:
    """Clears what is meant and stood when it was asked for, and says what became of it.

    `issue` is the one that was commented on, if one was. Raises UsageError for what is refused,
    MachineryError.
    """
    check_clear(desk.gate.rules, who, order.reason)
    standing = _standing(desk)
    chosen = _chosen(standing, issue)
    if not chosen:
        return "Nothing is frozen."
    later = [one.id for one in chosen if _since(desk, standing, one) >= math.floor(said)]
    stood = [one for one in chosen if one.id not in later]
    own = [one.id for one in stood if is_author(desk.client, who.name, one.work_item)]
    allowed = [one.id for one in stood if one.id not in own]
    why_not = _why_not(who, later, own)
    if not allowed:
        raise UsageError(why_not)
    not_cleared = [f"Not cleared: {why_not}"] if why_not else []
    if desk.job.inputs.dry_run:
        return ". ".join([f"would clear freeze {_listed(allowed)}", *not_cleared])
    cleared = desk.gate.unfreeze(who, order.reason, only=allowed)
    left = [one.id for one in standing.freezes if one.id not in cleared]
    stands = f"Still standing: {_listed(left)}" if left else "No freeze stands"
    told = [f"Cleared by {who.name}: freeze {_listed(cleared)}", *not_cleared, stands]
    return ". ".join(told) + "."


def _why_not(who: Person, later: Sequence[int], own: Sequence[int]) -> str:
    words = []
    if later:
        words.append(
            f"set after this was said: freeze {_listed(later)}; look at it and say it again"
        )
    if own:
        words.append(f"{who.name} is the author of what freeze {_listed(own)} is about")
    return "; ".join(words)


def _since(desk: Desk, standing: Standing, freeze: Freeze) -> float:
    """Since when a freeze stands, in seconds: the latest of all that tells.

    Its own time may be by another machine's clock, and its label may have been taken off and put
    on again; GitHub's clock has the events of its issue. What the bot did there put it back.
    Raises GitHubError.
    """
    number = standing.issues.get(freeze.id)
    if number is None:
        return freeze.at
    events = label_events(desk.client, number)
    if not events:
        return math.inf  # its label is so new that no list shows it yet
    people = [one for one in events if one.actor and one.actor.login != standing.writer]
    return max(freeze.at, *(moment_of(one.created_at) for one in (events[0], *people[-1:])))


def _standing(desk: Desk) -> Standing:
    """The freezes as the ledger has them, those that a label set taken over before.

    Only then each has a number that stays its own. Raises FreezeTrouble.
    """
    name = desk.job.repository
    for _ in range(2):
        with desk.store.reading(name) as session:
            found = Standing(
                freezes=session.freezes(),
                issues=dict(session.state.issues),
                control=session.control.number,
                writer=session.control.writer,
            )
            known = not session.taken_over
        if known or desk.job.inputs.dry_run:
            return found
        with suppress(ConflictError):  # somebody else does it
            desk.store.take_over(name)
    raise MachineryError("freezes are being set just now: say it again")


def _chosen(standing: Standing, issue: IssueRef | None) -> list[Freeze]:
    """The freezes that are meant: that of the issue, or all. Raises UsageError."""
    if issue is None:
        return list(standing.freezes)
    own = [one for one in standing.freezes if standing.issues.get(one.id) == issue.number]
    if own:
        return own
    if issue.number == standing.control or issue.pull_request is not None:
        return list(standing.freezes)
    raise UsageError(
        "this issue is no freeze that stands: say it on the freeze's own issue, or, for all that "
        f"stand, on #{standing.control} or on a pull request"
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
