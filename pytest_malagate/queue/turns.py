"""Whose turn it is: the condition under which a task is handed out."""

from __future__ import annotations

from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.model import Task, abandoned
from pytest_malagate.queue.store import Session


def next_task(
    session: Session, asked: Task | None, *, serial: bool, now: float
) -> tuple[Admission | None, Task | None]:
    """The task to hand out, or why it has to wait; neither if nothing waits.

    `asked` is the only one that is wanted. `serial`: one task at a time is the rule here. A task
    that its holder has abandoned goes before all that wait; one that people review, land or have
    deployed is handed to nobody. Raises MachineryError.
    """
    active = session.first("active")
    if active is not None and abandoned(active, now) and asked in (None, active):
        return None, active
    if not serial:
        return None, asked or session.first("waiting")
    if active is not None:
        return _waits(f"{active.task} is not finished"), None
    first = session.first("waiting")
    if asked is not None and first is not None and asked.task != first.task:
        return _waits(f"{first.task} has the earlier ticket"), None
    return None, first


def _waits(why: str) -> Admission:
    return Admission(admitted=False, code="queue.waiting", reason=why)
