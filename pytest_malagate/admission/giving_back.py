"""Giving back a task whose attempt failed: twice, then to a person, so that nothing is for ever.

What counts is on the ledger, and so holds across processes. Failure direction: closed. Where nobody
can count, a person looks.
"""

from __future__ import annotations

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.issues import add_labels
from pytest_malagate.github.labels import NEEDS_HUMAN
from pytest_malagate.github.store import issue_number
from pytest_malagate.queue.model import Claim, Task, Value
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import FreezeTrouble

REQUEUES = 2
"""How often a task whose attempt failed goes to the end of the queue, before a person has to look.
"""


class History(Value, frozen=True, kw_only=True):
    """What the ledger tells of a task since it was added last, and of its last claim."""

    requeued: int = 0
    restarted: int = 0
    parked: bool = False


class GivenBack(Value, frozen=True, kw_only=True):
    """What became of the task, and what to say. `parked`: it is out of the queue."""

    parked: bool = False
    notes: tuple[str, ...] = ()


def give_back(
    gate: SerialGate, client: Client, task: Task, claim: Claim, *, holder: str, why: str
) -> GivenBack:
    """Gives the task back, or takes it out of the queue for a person to look at.

    Raises UsageError where the claim does not count any more, MachineryError.
    """
    history = history_of(gate, holder, task.task)
    if history is not None and history.requeued < REQUEUES:
        gate.requeue(task.task, holder, claim=claim.id)
        return GivenBack(notes=(f"{task.task} waits again: {why}",))
    number, notes = issue_number(task.task), []
    if number is not None:
        notes += _shown(client, number)
    if history is None or not history.parked:
        gate.record("parked", holder, why, task=task.task)
    gate.finish(task.task, holder, claim=claim.id)
    notes.append(f"{task.task} is taken out of the queue, a person has to look: {why}")
    return GivenBack(parked=True, notes=tuple(notes))


def history_of(gate: SerialGate, holder: str, task: str) -> History | None:
    """What `holder` did to it. None if the ledger has a hole for good: then nobody can count.

    One request for each 100 of its comments. Raises GitHubError.
    """
    requeued, restarted, parked = 0, 0, False
    try:
        for entry in gate.ledger():
            if entry.task != task:
                continue
            if entry.kind == "added":
                requeued, restarted, parked = 0, 0, False
            elif entry.kind in ("claimed", "reclaimed"):
                restarted = 0
            requeued += entry.kind == "requeued" and entry.actor == holder
            restarted += entry.kind == "restarted"
            parked = parked or entry.kind == "parked"
    except FreezeTrouble:
        return None
    return History(requeued=requeued, restarted=restarted, parked=parked)


def _shown(client: Client, number: int) -> list[str]:
    """A label is a view: the ledger has it, too, so that it may fail."""
    try:
        add_labels(client, number, [NEEDS_HUMAN])
    except GitHubError as error:
        return [f"the label {NEEDS_HUMAN} could not be put on #{number}: {error}"]
    return []
