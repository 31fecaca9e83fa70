"""The front of the queue: nobody waits behind a task that is over and that nobody took out.

Two things end a task without an event that a sweep can rely on. Its issue is deleted or moved, or
closed while the event was lost: it is asked for, if it stands in front and the list of ready issues
does not show it. Or its pull request was merged before anybody had claimed it, and the issue stays
open: the closed pull requests are asked for, if a head that was told something is not open any
more. A quiet sweep makes neither request. That a head was open is known to one sweep only, so a
merge that the list does not show by then, or whose sweep failed, is the reconciler's to find
(`LandedWork`).

Failure direction: a task that cannot be asked for stays, and the sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from pytest_malagate.admission.landing import task_of
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


def merged(
    client: Client,
    waiting: Iterable[Task],
    heads: Collection[str],
    is_queued: Callable[[str], bool],
) -> Over:
    """The tasks in front whose pull request was merged while they waited, up to one that was not.

    `heads` are the beginnings of hashes that were open before. `is_queued` says of a task whether
    it waits or is active. One request, where there are heads and tasks.
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
    pulls = {task_of(pull, is_queued): pull for pull in reversed(ended) if _is_of(pull, heads)}
    found: list[tuple[Task, str]] = []
    for task in waiting:
        pull = pulls.get(task.task)
        if pull is None or moment_of(pull.merged_at or "") < task.changed_at - 1.0:
            break  # what was merged before it got its ticket was not the end of it
        found.append((task, f"its pull request #{pull.number} was merged"))
    return Over(tasks=tuple(found))


def _is_of(pull: Pull, heads: Collection[str]) -> bool:
    return pull.merged_at is not None and any(pull.head.sha.startswith(head) for head in heads)
