"""Places in the queue: who is before whom, and why a task waits."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_malagate.queue.answers import Admission, FreezeReading, Waiting
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.store import Session


def place_of(session: Session, task: str) -> Admission:
    """Whether it is a task's turn, and how many are before it. Raises MachineryError."""
    known = session.task(task)
    if known is not None and known.state == "active":
        return Admission(admitted=True, position=0)
    before = [*session.tasks("active"), *_earlier(session, known)]
    if not before:
        return Admission(admitted=True, position=0)
    return Admission(
        admitted=False,
        code="queue.waiting",
        reason=f"{before[0].task} is before it, {len(before)} in all",
        position=len(before),
    )


def _earlier(session: Session, task: Task | None) -> list[Task]:
    """Tasks that wait before this one; before one without a ticket, all."""
    waiting = session.tasks("waiting")
    if task is None or task.state == "finished":
        return list(waiting)
    return [other for other in waiting if other.ticket < task.ticket]


def waiting_list(
    tasks: Iterable[Task], active: tuple[Task, ...], reading: FreezeReading, *, serial: bool
) -> tuple[Waiting, ...]:
    """The tasks that wait, by ticket, each with its position and why it waits.

    `serial`: one task at a time is the rule here.
    """
    found: list[Waiting] = []
    for position, task in enumerate(tasks, 1):
        if reading.frozen:
            reason = reading.words()
        elif serial and active:
            reason = f"{active[0].task} is not finished"
        elif serial and found:
            reason = f"{found[0].task} has the earlier ticket"
        else:
            reason = "nothing holds it up: it can be claimed"
        found.append(Waiting(task=task.task, position=position, reason=reason))
    return tuple(found)
