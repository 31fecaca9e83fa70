"""Claims whose lease has ended with nobody at the task.

The next claim takes such a task over, so a person is only told. A task whose holders vanish again
and again keeps all others waiting meanwhile: after so many it goes to the end of the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import Entry, Task, abandoned
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.repository.git import printable

LAPSES = 3
"""After how many holders in a row that vanished a task goes to the end of the queue."""


class LapsedClaims:
    """Finds them. `ledger` gives the repository's ledger, oldest entry first.

    `now` is in seconds since the epoch.
    """

    name = "lapsed-claims"

    def __init__(
        self,
        gate: SerialGate,
        ledger: Callable[[], Iterable[Entry]],
        *,
        actor: str,
        now: Callable[[], float],
        after: int = LAPSES,
    ) -> None:
        self._gate, self._ledger, self._actor, self._now = gate, ledger, actor, now
        self._after = after

    def find(self) -> Iterable[Finding]:
        """One finding a task. Raises MachineryError."""
        now = self._now()
        tasks = [task for task in self._gate.tasks() if abandoned(task, now)]
        if not tasks:
            return []
        takeovers = _takeovers(self._ledger())
        return [self._finding(task, takeovers.get(task.task, 0) + 1) for task in tasks]

    def _finding(self, task: Task, lapses: int) -> Finding:
        holder = printable(task.claim.holder, 60) if task.claim else "nobody"
        problem = f"its lease has ended, and {holder} had it"
        if lapses < self._after:
            return Finding(
                item=task.task,
                problem=problem,
                remedy="the next claim takes it over: malagate queue claim",
            )
        return Finding(
            item=task.task,
            problem=f"{problem}; that is holder {lapses} in a row who vanished",
            remedy="it goes to the end of the queue, so that it holds up nobody: "
            "malagate queue requeue ID",
            repair=lambda: self._requeue(task),
        )

    def _requeue(self, seen: Task) -> bool:
        """Only as it was seen: a claim that was made or renewed since is somebody's."""
        try:
            self._gate.requeue(seen.task, self._actor, seen=seen)
        except UsageError:
            return False  # it was claimed or moved between the two
        return True


def _takeovers(ledger: Iterable[Entry]) -> dict[str, int]:
    """How often each task was taken over since it became ready, or since it came any further."""
    count: dict[str, int] = {}
    for entry in ledger:
        if entry.task is None:
            continue
        if entry.kind == "reclaimed":
            count[entry.task] = count.get(entry.task, 0) + 1
        elif entry.kind in ("added", "requeued", "advanced"):
            count[entry.task] = 0
    return count
