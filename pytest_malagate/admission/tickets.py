"""Who gets a ticket, in which order, and whose is taken back: from labels and their events.

What counts is what the list of labelled issues says now; events only say in which order, and
whether a label was put on anew. So an event that is lost, late or told twice changes an order at
most, and never whether a task is in the queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_malagate.github.control import READY
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.records import Issue, IssueEvent
from pytest_malagate.queue.model import Task, Value

MOST = 200
"""Tickets that one page of the ledger gives out."""

SETTLED = 120.0
"""Seconds after which every list shows what was labelled."""


class Plan(Value, frozen=True, kw_only=True):
    """What is due: tasks with who asked, in order. `stale` are issues whose label asks for nothing.

    Of a stale one it is not known yet: its own events may say that it asks anew (`asks_anew`).
    `over` are tasks with why they wait for nothing any more, which labels do not say (see `front`).
    `until` is the last event that is dealt with when this is done.
    """

    add: tuple[tuple[str, str], ...] = ()
    withdraw: tuple[tuple[str, str], ...] = ()
    finish: tuple[tuple[str, str], ...] = ()
    stale: tuple[int, ...] = ()
    over: tuple[tuple[str, str], ...] = ()
    until: int = 0

    @property
    def moves(self) -> bool:
        """True if the queue changes."""
        return bool(self.add or self.withdraw or self.finish or self.over)


class _History:
    """What the events say of one issue."""

    def __init__(self) -> None:
        self.asked: IssueEvent | None = None  # the last time that the label was put on
        self.ended: IssueEvent | None = None  # taken off or closed since
        self.closed: IssueEvent | None = None
        self.again = False  # put on anew, after it was taken off

    def take(self, event: IssueEvent) -> None:
        ready = event.label is not None and event.label.name.lower() == READY
        if event.event == "labeled" and ready:
            self.again = self.again or self.ended is not None
            self.asked, self.ended = event, None
        elif event.event == "unlabeled" and ready:
            self.ended = event
        elif event.event == "closed":
            self.ended = self.closed = event
        elif event.event == "reopened":
            self.closed = None


def histories(events: Iterable[IssueEvent], writer: str) -> dict[int, _History]:
    """The events by issue, the oldest first. Labels that `writer` moved are views, not requests."""
    found: dict[int, _History] = {}
    for event in events:
        view = event.label is not None and event.actor is not None and event.actor.login == writer
        if event.issue is not None and not view:
            found.setdefault(event.issue.number, _History()).take(event)
    return found


def asks_anew(task: Task, events: Iterable[IssueEvent]) -> IssueEvent | None:
    """The event by which a task that has ended asks for a place again; None if none does.

    The label has to have come after the task was handed out or, if it never was, got its ticket.
    """
    ready = [
        e for e in events if e.event == "labeled" and e.label and e.label.name.lower() == READY
    ]
    last = max(ready, key=lambda event: event.id, default=None)
    since = task.claim.at if task.claim is not None else task.added_at
    return last if last is not None and moment_of(last.created_at) > int(since) else None


def plan(
    ready: Sequence[Issue],
    events: Sequence[IssueEvent],
    tasks: Mapping[str, Task],
    *,
    writer: str,
    now: float = 0.0,
) -> Plan:
    """What the labels ask for. `events` are those since the last that were dealt with.

    `writer` is the ledger's, who shows by labels what it says; `now` is in seconds since the epoch.
    """
    told, labelled = histories(events, writer), {issue.number: issue for issue in ready}
    asked: list[tuple[int, int, Issue]] = []
    withdraw: list[tuple[str, str]] = []
    stale: list[int] = []
    for number, issue in labelled.items():
        task, history = tasks.get(f"#{number}"), told.get(number, _History())
        order = (history.asked.id if history.asked else 0, number, issue)
        if task is None:
            asked.append(order)
        elif task.state == "waiting" and history.again and _is_later(history.asked, task):
            withdraw.append((task.task, _who(history.asked, issue)))
            asked.append(order)
        elif task.state == "finished" and history.asked and asks_anew(task, [history.asked]):
            asked.append(order)
        elif task.state == "finished":
            stale.append(number)
    asked.sort(key=lambda one: one[:2])
    add = [(f"#{n}", _who(told.get(n, _History()).asked, issue)) for _, n, issue in asked]
    finish: list[tuple[str, str]] = []
    for number, history in told.items():
        task = tasks.get(f"#{number}")
        if task is None or task.state == "finished":
            continue
        if task.state == "waiting" and number not in labelled and history.ended is not None:
            withdraw.append((task.task, _who(history.ended, None)))
        elif task.state == "active" and history.closed is not None:
            finish.append((task.task, _who(history.closed, None)))
    return Plan(
        add=tuple(add[:MOST]),
        withdraw=tuple(withdraw),
        finish=tuple(finish),
        stale=tuple(sorted(stale)),
        until=_until(events, told, labelled, full=len(add) <= MOST, now=now),
    )


def _is_later(asked: IssueEvent | None, task: Task) -> bool:
    """True if the label came after the ticket, so that events may be told again."""
    return asked is not None and moment_of(asked.created_at) > int(task.added_at)


def _until(
    events: Sequence[IssueEvent],
    told: Mapping[int, _History],
    labelled: Mapping[int, Issue],
    *,
    full: bool,
    now: float,
) -> int:
    """Not past a label that the list does not show yet, nor past what did not fit.

    What is not shown after SETTLED never will be: the issue is closed, moved or deleted.
    """
    if not events or not full:
        return 0
    unseen = [
        history.asked.id
        for number, history in told.items()
        if history.asked is not None
        and not (history.ended or number in labelled)
        and not 0 < moment_of(history.asked.created_at) < now - SETTLED
    ]
    return min([events[-1].id, *(number - 1 for number in unseen)])


def _who(event: IssueEvent | None, issue: Issue | None) -> str:
    if event is not None and event.actor is not None:
        return event.actor.login
    return issue.user.login if issue is not None and issue.user is not None else "somebody"
