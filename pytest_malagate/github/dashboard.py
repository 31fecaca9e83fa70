"""What the control issue shows: whose turn it is, who waits, what is frozen, when it was looked at.

It is a view. Nobody's word in it counts, and it is written anew with every change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pytest_malagate.github.ledger import State
from pytest_malagate.github.sweep_memory import SweepMemory
from pytest_malagate.queue.model import Task, TaskState
from pytest_malagate.report.text import code, prose

_SHOWN = 50


def dashboard(state: State, memory: SweepMemory) -> str:
    """The text for a person, in Markdown."""
    parts = [*_freezes(state), *_active(state), *_waiting(state), *_sweep(memory)]
    return "\n".join(["## malagate: queue and freeze", "", *parts, _FOOT])


_FOOT = (
    "\n<sub>Each change is a comment below, or in the issue that the last of them names, and none "
    "is ever edited or deleted: together they are the ledger. `malagate:ready` on an issue asks "
    "for a place in the queue, `malagate:frozen` on any issue freezes. This text is only a "
    "view.</sub>"
)


def _freezes(state: State) -> Iterator[str]:
    if not state.freezes:
        yield "**Not frozen.**\n"
        return
    yield f"### :snowflake: Frozen by {len(state.freezes)}\n"
    yield "| freeze | mode | scope | since | by | why |\n|---|---|---|---|---|---|"
    for freeze in sorted(state.freezes.values(), key=lambda freeze: freeze.id)[:_SHOWN]:
        issue = state.issues.get(freeze.id)
        yield (
            f"| {f'#{issue}' if issue else freeze.id} | {freeze.mode} "
            f"| {code(freeze.branch, 60, cell=True) if freeze.branch else 'everything'} "
            f"| {_time(freeze.at)} | {code(freeze.actor, 60, cell=True)} "
            f"| {_cell(freeze.reason)} |"
        )
    yield ""


def _of(state: State, wanted: TaskState) -> list[Task]:
    tasks = [task for task in state.tasks.values() if task.state == wanted]
    return sorted(tasks, key=lambda task: (task.ticket, task.task))


def _active(state: State) -> Iterator[str]:
    active = _of(state, "active")
    yield "### Active\n"
    if not active:
        yield "Nothing.\n"
        return
    yield "| task | stage | holder | since | claim holds until |\n|---|---|---|---|---|"
    for task in active[:_SHOWN]:
        claim = task.claim
        holder = code(claim.holder, 60, cell=True) if claim else "nobody"
        until = _time(claim.lease_until) if claim else ""
        since = _time(claim.at) if claim else ""
        yield f"| {_task(task)} | {task.stage} | {holder} | {since} | {until} |"
    yield ""


def _waiting(state: State) -> Iterator[str]:
    waiting = _of(state, "waiting")
    yield f"### Waiting: {len(waiting)}\n"
    if not waiting:
        return
    yield "| place | task | ticket | since |\n|---|---|---|---|"
    for place, task in enumerate(waiting[:_SHOWN], 1):
        yield f"| {place} | {_task(task)} | {task.ticket} | {_time(task.added_at)} |"
    if len(waiting) > _SHOWN:
        yield f"\nand {len(waiting) - _SHOWN} more"
    yield ""


def _sweep(memory: SweepMemory) -> Iterator[str]:
    if memory.swept_at:
        words = f"Last sweep: {_time(memory.swept_at)}"
        if memory.requests_left is not None:
            words += f"; requests left in this hour: {memory.requests_left}"
            words += f" of {memory.requests_limit}" if memory.requests_limit else ""
        yield f"{words}."
    if memory.unfinished:
        yield f"**{memory.unfinished} pull requests are still to be told: the next sweep does.**"
    for note in memory.notes[:10]:
        yield f"* :warning: {prose(note, 400)}"


def _task(task: Task) -> str:
    """An issue's number is a link; any other name is text."""
    name = task.task
    return name if name[:1] == "#" and name[1:].isdecimal() else code(name, 100, cell=True)


def _cell(text: str) -> str:
    return prose(text, 160).replace("|", "\\|").replace("\n", " ")


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "?"
