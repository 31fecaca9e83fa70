"""The half of a sweep that looks at tasks: one whose event was lost is advanced, the rest is left.

Failure direction: closed. Whatever is not known to be right (the gate is not green, the repository
may be frozen, the task is not as it was seen) leaves the task where it is, without a word: a sweep
comes again, and a task that is red would be told of for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import HUMAN_STAGES, STAGES, Stage, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Look, Outcome, Verdict
from pytest_malagate.reconcile.config import ReconcileConfig
from pytest_malagate.repository.git import printable

Judge = Callable[[Task], Verdict]
"""The gate's verdict on a task, asked without a trace: no attempt is charged, nothing written."""

Handler = Callable[[Task], Task | None]
"""What the event would have called: advances the task as it was seen, and returns what it became.

UsageError if the task is not there any more: somebody else was faster. None: it did nothing.
"""

Working = Callable[[Task], bool]
"""Whether somebody is at work on a task."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What looking at a task takes. `now` is in seconds since the epoch."""

    gate: SerialGate
    judge: Judge
    handlers: Mapping[Stage, Handler]
    config: ReconcileConfig
    working: Working
    now: Callable[[], float]
    log: logging.Logger


def look_at(parts: Parts, task: Task, *, dry_run: bool) -> Look:
    """Looks at an active task, and advances it if that is due. Raises what its parts raise."""
    now = parts.now()
    outcome, why = _considered(parts, task, now)
    to = None
    if outcome == "would-advance" and not dry_run:
        outcome, to = _advanced(parts.gate, task, parts.handlers[task.stage])
    return Look(
        task=task.task,
        stage=task.stage,
        outcome=outcome,
        why=_LATE.get(outcome, why),
        to=to,
        stood=now - task.changed_at,
    )


_LATE: dict[Outcome, str] = {
    "moved": "somebody else was faster",
    "unmoved": "its handler left it as it was",
}
"""What was found out only after the gate was green."""


def _considered(parts: Parts, task: Task, now: float) -> tuple[Outcome, str]:
    """What ought to come of it, and why. The cheap questions come first; nothing is written."""
    if task.stage in HUMAN_STAGES:
        return "human", "a person ends this stage"
    if task.stage not in parts.handlers:
        return "no-handler", "nobody here can tell when this stage has ended"
    grace = parts.config.grace(task.stage)
    if now - task.changed_at < grace:
        return "grace", f"it may stand here for {grace / 60:g} min"
    if parts.working(task):
        return "working", "somebody is at work on it"
    verdict = parts.judge(task)
    if not verdict.green:
        why = printable(verdict.why, 300)
        parts.log.debug("%s stays at %s: %s", printable(task.task, 60), task.stage, why)
        return "red", verdict.why
    admission = parts.gate.admission(task.task, landing=_lands(task.stage))
    if not admission.admitted:
        return "held", admission.reason
    return "would-advance", verdict.why


def _lands(stage: Stage) -> bool:
    """Whether an advance out of a stage is part of landing, which more freezes forbid."""
    return STAGES.index(stage) >= STAGES.index("review")


def _advanced(gate: SerialGate, seen: Task, handler: Handler) -> tuple[Outcome, str | None]:
    """What the handler made of it, and where the task is now.

    The verdict took its time, and was on the task as it was seen. What lies between this look and
    the handler's own is decided by the store's lock, within the handler.
    """
    if gate.task(seen.task) != seen:
        return "moved", None
    try:
        made = handler(seen) or seen
    except UsageError:
        if gate.task(seen.task) == seen:
            raise  # nobody moved it: the handler refuses for another reason, which must be told
        return "moved", None
    if (made.state, made.stage) == (seen.state, seen.stage):
        return "unmoved", None
    return "advanced", made.stage if made.state == "active" else made.state
