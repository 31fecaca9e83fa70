"""Issues from a serial gate's queue: whoever has no tracker adds tasks to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.queue.model import Task, abandoned
from pytest_malagate.queue.serial import SerialGate


class StoreProvider:
    """The tasks that wait or are active, in the order of their tickets.

    An active task is in progress while somebody holds it. Once its lease has ended it is ready:
    the gate hands it out again. So it is if `is_left` says that its holder is known to be gone.
    `now` is in seconds since the epoch.
    """

    def __init__(
        self,
        gate: SerialGate,
        *,
        now: Callable[[], float] = time.time,
        is_left: Callable[[Task], bool] = lambda _: False,
    ) -> None:
        self._gate, self._clock, self._is_left = gate, now, is_left

    async def issues(self) -> Sequence[Issue]:
        """The tasks as issues. Raises MachineryError if the store fails."""
        tasks = await asyncio.to_thread(self._gate.tasks)
        now = self._clock()
        return [self._issue(task, now) for task in sorted(tasks, key=lambda task: task.ticket)]

    def _issue(self, task: Task, now: float) -> Issue:
        # No time of a change is told: among issues alike the newest would go first, and not the
        # earliest ticket.
        held = task.state == "active" and not (abandoned(task, now) or self._is_left(task))
        return Issue(id=task.task, title=task.task, status="in_progress" if held else "ready")
