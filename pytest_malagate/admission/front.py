"""The front of the queue: nobody waits behind a task that is over and that nobody took out.

Two things end a task without an event that a sweep can rely on. Its issue is deleted or moved, or
closed while the event was lost: it is asked for, if it stands in front and the list of ready issues
does not show it. Or its pull request was merged before anybody had claimed it, and the issue stays
open: the closed pull requests are asked for, if a head that was told something is not open any
more, and until they were read once. A quiet sweep makes neither request. A merge of which no sweep
had seen any head, or that the list does not show by then, is the reconciler's to find
(`LandedWork`).

A third makes everybody wait for nothing: a ticket for a pull request that belongs to another task.

Failure direction: a task that cannot be asked for stays, and the sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from pytest_malagate.admission.landing import is_part, task_of
from pytest_malagate.admission.own_pulls import open_one
from pytest_malagate.admission.tickets import SETTLED
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.issues import issue_of
from pytest_malagate.github.records import Pull
from pytest_malagate.github.store import issue_number
from pytest_malagate.queue.model import Task, Value

MOST = 3
"""Issues that one sweep asks for."""


class Over(Value, frozen=True, kw_only=True):
    """Tasks that are over, in order, each with why; `trouble` is what could not be asked."""

    tasks: tuple[tuple[Task, str], ...] = ()
    trouble: str = ""


def without_issue(
    client: Client, waiting: Iterable[Task], listed: Collection[int], now: float
) -> Over:
    """The tasks in front whose issue is gone, lives elsewhere now, or is closed.

    `waiting` is by ticket, `listed` are the issues that ask for a place, `now` is in seconds since
    the epoch. What moved less than SETTLED seconds ago may only be missing from the list.
    """
    found: list[tuple[Task, str]] = []
    unseen = (
        (number, task)
        for task in waiting
        if (number := issue_number(task.task)) is not None
        and number not in listed
        and now - max(task.added_at, task.changed_at) > SETTLED
    )
    for (number, task), _ in zip(unseen, range(MOST), strict=False):
        try:
            issue = issue_of(client, number)
        except GitHubError as error:
            return Over(tasks=tuple(found), trouble=f"{task.task} could not be asked for: {error}")
        if issue is None:
            found.append((task, "its issue is gone (deleted, or moved)"))
        elif issue.state != "open":
            found.append((task, "its issue is closed"))
    return Over(tasks=tuple(found))


def doubled(
    waiting: Iterable[Task], pulls: Iterable[Pull], is_queued: Callable[[str], bool]
) -> Over:
    """The tasks that are open pull requests of other tasks in the queue, by whose places they land.

    In front such a ticket would keep everybody waiting for what lands by another. No request.
    """
    owners = {f"#{pull.number}": task_of(pull, is_queued) for pull in pulls}
    found = ((task, owners.get(task.task, task.task)) for task in waiting)
    return Over(
        tasks=tuple(
            (task, f"it is a pull request of {owner}, and lands by the place of that")
            for task, owner in found
            if owner != task.task
        )
    )


def merged(
    client: Client,
    waiting: Iterable[Task],
    heads: Collection[str],
    pulls: Sequence[Pull],
    is_queued: Callable[[str], bool],
) -> Over:
    """The tasks in front whose pull request was merged while they waited, up to one that was not.

    As long as `pulls`, which are open, have one of it, it is not over. `heads` are the beginnings
    of hashes that are not open any more: they say that there is something to ask, and not of whom,
    for what was merged may be a later head. `is_queued` says of a task whether it waits or is
    active. One request, where there are heads and tasks.
    """
    waiting = tuple(waiting)
    if not heads or not waiting:
        return Over()
    try:
        ended = client.get(
            "/pulls", list[Pull], state="closed", sort="updated", direction="desc", per_page=100
        )
    except GitHubError as error:
        return Over(trouble=f"what was merged could not be asked for: {error}")
    named = ((task_of(pull, is_queued), pull) for pull in reversed(ended) if pull.merged_at)
    landed = {task: pull for task, pull in named if not is_part(pull, task)}
    found: list[tuple[Task, str]] = []
    for task in waiting:
        pull = landed.get(task.task)
        if pull is None or open_one(pulls, task.task, is_queued) is not None:
            break
        if moment_of(pull.merged_at or "") < task.changed_at - 1.0:
            break  # what was merged before it got its ticket was not the end of it
        found.append((task, f"its pull request #{pull.number} was merged"))
    return Over(tasks=tuple(found))
