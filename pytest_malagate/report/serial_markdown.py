"""The queue and the freezes as Markdown, for the summary of a step.

All texts that come from people or from changes stand in code spans or are made plain.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_malagate.queue.answers import Status
from pytest_malagate.report.serial import ago, lease
from pytest_malagate.report.text import MESSAGE, code, prose

_SHOWN = 30
_NAME = 60


def queue_summary(status: Status, *, now: float) -> str:
    """A document that ends with a newline. `now` is in seconds since the epoch."""
    blocks = (_head(status), _freezes(status, now), _active(status, now), _waiting(status))
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block))) + "\n"


def _head(status: Status) -> Iterator[str]:
    state = "frozen" if status.frozen else "not frozen"
    yield f"## malagate: {state if status.freeze_enabled else 'the freeze is off'}"
    if status.problem is not None:
        kind = f" ({code(status.problem_code, _NAME)})" if status.problem_code else ""
        yield f"\n**It could not be read**{kind}: {prose(status.problem, MESSAGE)}"
    for warning in status.warnings:
        yield f"\n- {prose(warning, MESSAGE)}"


def _freezes(status: Status, now: float) -> Iterator[str]:
    if not status.freezes:
        return
    yield "| freeze | mode | set | by | about | reason |"
    yield "|---|---|---|---|---|---|"
    for freeze in status.freezes[:_SHOWN]:
        yield (
            f"| {freeze.id} | {freeze.mode} | {ago(freeze.at, now)} "
            f"| {code(freeze.actor, _NAME, cell=True)} "
            f"| {code(freeze.work_item or '', _NAME, cell=True)} "
            f"| {code(freeze.reason, MESSAGE, cell=True)} |"
        )
    yield from _more(len(status.freezes), 6)


def _active(status: Status, now: float) -> Iterator[str]:
    if not status.active_tasks:
        return
    yield "| active | stage | holder | |"
    yield "|---|---|---|---|"
    for task in status.active_tasks[:_SHOWN]:
        holder = code(task.claim.holder, _NAME, cell=True) if task.claim else ""
        name = code(task.task, _NAME, cell=True)
        yield f"| {name} | {task.stage} | {holder} | {lease(task, now)} |"
    yield from _more(len(status.active_tasks), 4)


def _waiting(status: Status) -> Iterator[str]:
    if not status.waiting:
        return
    yield "| place | waiting | because |"
    yield "|---|---|---|"
    for one in status.waiting[:_SHOWN]:
        task, reason = code(one.task, _NAME, cell=True), code(one.reason, MESSAGE, cell=True)
        yield f"| {one.position} | {task} | {reason} |"
    yield from _more(len(status.waiting), 3)


def _more(count: int, columns: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"| {count - _SHOWN} more {'| ' * columns}"
